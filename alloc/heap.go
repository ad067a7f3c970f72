package alloc

// The heap of invalidate_buckets_lru(), operation for operation: which of
// several equally light buckets goes first depends on every exchange, so
// nothing here may be "improved" that moves one. The kernel's heap_sift and
// heap_sift_down exchange equal elements too.
//
// An entry is a bucket's weight in the upper half and its number in the lower;
// only the upper halves are ever compared.

func entry(weight, bucket uint32) uint64 { return uint64(weight)<<32 | uint64(bucket) }
func weightOf(e uint64) uint32           { return uint32(e >> 32) }

// addMax is heap_add() with bucket_max_cmp. It first sifts up to where the new
// entry meets a heavier one, then down from there: with equal weights it goes
// up to the root and all the way down again.
func addMax(h []uint64, e uint64) []uint64 {
	h = append(h, e)
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 2
		if weightOf(e) < weightOf(h[p]) {
			break
		}
		h[i] = h[p]
		i = p
	}
	siftMax(h, i, e)
	return h
}

// siftMax is heap_sift() with bucket_max_cmp, of e from the hole at i.
func siftMax(h []uint64, i int, e uint64) {
	for {
		r := 2*i + 1
		if r >= len(h) {
			break
		}
		child := h[r]
		if r+1 < len(h) {
			if right := h[r+1]; weightOf(child) < weightOf(right) {
				child = right
				r++
			}
		}
		if weightOf(child) < weightOf(e) {
			break
		}
		h[i] = child
		i = r
	}
	h[i] = e
}

// siftMin is heap_sift() with bucket_min_cmp.
func siftMin(h []uint64, i int, e uint64) {
	for {
		r := 2*i + 1
		if r >= len(h) {
			break
		}
		child := h[r]
		if r+1 < len(h) {
			if right := h[r+1]; weightOf(child) > weightOf(right) {
				child = right
				r++
			}
		}
		if weightOf(child) > weightOf(e) {
			break
		}
		h[i] = child
		i = r
	}
	h[i] = e
}

// heapifyMin re-sifts the finished max-heap in place, bottom up.
func heapifyMin(h []uint64) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		siftMin(h, i, h[i])
	}
}

// popMin is heap_pop() with bucket_min_cmp.
func popMin(h []uint64) (bucket uint32, rest []uint64) {
	bucket = uint32(h[0])
	last := len(h) - 1
	e := h[last]
	h = h[:last]
	if last > 0 {
		siftMin(h, 0, e)
	}
	return bucket, h
}
