// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// What is found with wide registers is what is found one by one, and no other memory is touched.
func TestBelow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, 7, scanStep, 3 * scanStep, scanPart} {
		for _, top := range []uint32{0, 1, 2, 1 << 20, 1<<31 - 1, 1 << 31, keyWide, keyNone} {
			keys := make([]uint32, n)
			var want []uint32
			for i := range keys {
				switch rnd.IntN(8) {
				case 0:
					keys[i] = rnd.Uint32()
				case 1:
					keys[i] = keyNone
				default:
					keys[i] = top + rnd.Uint32N(5) - 2
				}
				if keys[i] < top {
					want = append(want, 1000+uint32(i))
				}
			}
			for name, find := range map[string]func([]uint32, uint32, uint32, []uint32) int{"below": below, "belowPlain": belowPlain} {
				out := make([]uint32, n+4)
				if got := find(keys, top, 1000, out[:n]); !slices.Equal(out[:got], want) {
					t.Errorf("%s, %d keys, top %d: %v, want %v", name, n, top, out[:got], want)
				}
				if !slices.Equal(out[n:], make([]uint32, 4)) {
					t.Errorf("%s, %d keys, top %d: wrote behind the end", name, n, top)
				}
			}
		}
	}
}

// The heap ends as the kernel's heap_sift() leaves it, node for node, however many weights are equal.
func TestReplaceTops(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for size := 8; size <= 1<<14; size *= 2 {
		for _, weights := range []uint32{1, 2, 30, 1 << 20, keyWide} {
			keys := make([]uint32, 5*size)
			for i := range keys {
				keys[i] = rnd.Uint32N(weights)
			}
			fast, plain := newLRUHeap(size), newLRUHeap(size)
			fast.clear()
			plain.clear()
			var slow []uint64
			for i := range size {
				fast.addMax(node(keys[i], uint32(i)))
				plain.addMax(node(keys[i], uint32(i)))
			}
			slow = append(slow, fast.nodes[1:size+1]...)
			found := make([]uint32, 4*size)
			for i := range found {
				found[i] = uint32(size + i)
			}
			fast.replaceTops(keys, found)
			fast.settle()
			plain.replaceTopsPlain(keys, found)
			plain.settle()
			for _, i := range found {
				if keys[i] < uint32(slow[0]>>32)-1 {
					slow[0] = node(keys[i], i)
					slowSift(slow)
				}
			}
			if !slices.Equal(fast.nodes[1:size+1], slow) || !slices.Equal(plain.nodes[1:size+1], slow) {
				t.Errorf("%d nodes, weights below %d: not as heap_sift leaves them", size, weights)
			}
		}
	}
}

// slowSift is heap_sift(h, 0, bucket_max_cmp), as it is written in util.h: nodes count from 0.
func slowSift(a []uint64) {
	lighter := func(l, r int) bool { return a[l]>>32 < a[r]>>32 }
	for j := 0; 2*j+1 < len(a); {
		r := 2*j + 1
		if r+1 < len(a) && lighter(r, r+1) {
			r++
		}
		if lighter(r, j) {
			break
		}
		a[r], a[j] = a[j], a[r]
		j = r
	}
}

// Prios are counted down by the processor's vectors as one by one, whatever they are.
func TestCountDown(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	prios := []uint16{0, 1, 2, 7, 32768, 65533, 65534, 65535}
	for n := range 70 {
		for range 20 {
			got := make([]bucket, n)
			for i := range got {
				got[i] = bucket{prio: prios[r.IntN(len(prios))], gcMark: uint16(r.Uint32()), gen: uint8(r.Uint32()), lastGC: uint8(r.Uint32())}
				switch r.IntN(4) {
				case 0:
					got[i].pin = uint16(1 + r.IntN(65535))
				case 1:
					got[i].prio = uint16(r.Uint32())
				}
			}
			want, plain := slices.Clone(got), slices.Clone(got)
			by := []uint16{1, 2, 8, uint16(1 + r.IntN(300))}[r.IntN(4)]
			low := uint16(0)
			for range by {
				low = slowCountDown(want)
			}
			if lowest := countDown(got, by); lowest != low || !slices.Equal(got, want) {
				t.Fatalf("%d buckets, by %d: the lowest is %d, want %d", n, by, lowest, low)
			}
			if lowest := countDownPlain(plain, by); lowest != low || !slices.Equal(plain, want) {
				t.Fatalf("%d buckets, by %d, one by one: the lowest is %d, want %d", n, by, lowest, low)
			}
		}
	}
}

// slowCountDown is the loop of bch_rescale_priorities().
func slowCountDown(buckets []bucket) (low uint16) {
	low = 1<<16 - 1
	for i := range buckets {
		if b := &buckets[i]; b.prio != 0 && b.prio != btreePrio && b.pin == 0 {
			b.prio--
			low = min(low, b.prio)
		}
	}
	return low
}

// Rescales that are put off leave what rescales at once leave.
func TestPending(t *testing.T) {
	for seed := range uint64(20) {
		var of [2]*Cache
		var events [2][]Event
		for k := range of {
			c := newTestCache(t, func(cfg *Config) {
				cfg.BucketSize, cfg.Sync = 64, false
				cfg.Trace = traceFunc(func(e Event) { events[k] = append(events[k], e) })
			})
			of[k] = c
			c.ages.always = k == 0
			if err := c.StartFresh(); err != nil {
				t.Fatal(err)
			}
			c.SetSync(true)
			pendingOps(c, rand.New(rand.NewPCG(seed, 7)))
			if c.Err() != nil {
				t.Fatal(c.Err())
			}
		}
		if !slices.Equal(events[0], events[1]) || of[0].MinPrio() != of[1].MinPrio() || of[0].Hash() != of[1].Hash() {
			t.Fatalf("seed %d: %d events and %d, min_prio %d and %d", seed, len(events[0]), len(events[1]), of[0].MinPrio(), of[1].MinPrio())
		}
	}
}

type traceFunc func(Event)

func (f traceFunc) Trace(e Event) { f(e) }

// pendingOps does all that has to do with prios, to c. Of some seeds what is used stays young, of some nothing does.
func pendingOps(c *Cache, r *rand.Rand) {
	often, held := 1+r.IntN(40), []int{}
	for range 20000 {
		i := c.cfg.FirstBucket + r.IntN(c.cfg.NBuckets-c.cfg.FirstBucket)
		switch k := r.IntN(100); {
		case k < often:
			c.Rescale(int32(r.IntN(64)))
		case k < often+30:
			c.Touch(i)
		case k == 98 && r.IntN(8) == 0 && c.buckets[i].pin == 0:
			c.Pin(i)
			held = append(held, i)
		case k == 99 && len(held) > 0:
			at := r.IntN(len(held))
			c.Put(held[at])
			held = slices.Delete(held, at, at+1)
		case k == 97 && r.IntN(50) == 0:
			c.SetPrio(i, uint16(r.IntN(100)))
		default:
			if p, ok := c.AllocSectors(Request{Key: Key{Inode: 1, Offset: r.Uint64N(1 << 20)}, Sectors: 1 + r.IntN(16), WritePoint: 1}); ok {
				c.Put(p.Bucket)
			}
			c.Run()
			if c.WantsGC() {
				c.GCKeep()
			}
		}
	}
}

// Buckets are weighed by the processor's vectors as one by one, whatever they are.
func TestKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for n := range 70 {
		for _, base := range []uint32{0, 4096, 1<<32 - 32768, 1<<32 - 65535} {
			buckets, keys := make([]bucket, n), make([]uint32, n+4)
			for i := range buckets {
				b := bucket{prio: uint16(r.Uint32()), gcMark: uint16(r.Uint32()), gen: uint8(r.Uint32())}
				b.lastGC = b.gen - uint8(r.IntN(256)>>r.IntN(8))
				if r.IntN(4) == 0 {
					b.pin = uint16(r.Uint32())
				}
				if r.IntN(8) == 0 {
					b.setUsed(0)
				}
				buckets[i] = b
			}
			done := narrowKeys(buckets, base, keys[:n])
			for i, b := range buckets[:done] {
				if want := b.key(base); keys[i] != want {
					t.Fatalf("%d of %d, base %d, %+v: %d, want %d", i, n, base, b, keys[i], want)
				}
			}
			if !slices.Equal(keys[done:], make([]uint32, n+4-done)) {
				t.Fatalf("%d buckets: wrote behind the end", n)
			}
		}
	}
}
