// SPDX-License-Identifier: GPL-2.0-only

package alloc

// A fifo is DECLARE_FIFO: a ring of buckets with a fixed capacity.
type fifo struct {
	data        []uint32 // a power of two above size
	size        uint32
	front, back uint32 // run freely; masked on use
}

// newFifo is init_fifo(): above 4 the capacity is a power of two less one, so
// that a list asked to hold 8 holds 7.
func newFifo(n int) fifo {
	if n > 4 {
		n = roundupPowerOfTwo(n) - 1
	}
	return newFifoExact(n)
}

// newFifoExact is init_fifo_exact().
func newFifoExact(n int) fifo {
	return fifo{data: make([]uint32, roundupPowerOfTwo(n+1)), size: uint32(n)}
}

func (f *fifo) used() uint32 { return f.back - f.front }
func (f *fifo) full() bool   { return f.back-f.front == f.size }

// at is the place of the bucket that was, or will be, pushed as number i.
func (f *fifo) at(i uint32) *uint32 { return &f.data[i&uint32(len(f.data)-1)] }

func (f *fifo) push(b uint32) bool {
	if f.full() {
		return false
	}
	*f.at(f.back) = b
	f.back++
	return true
}

func (f *fifo) pop() (uint32, bool) {
	if f.back == f.front {
		return 0, false
	}
	b := *f.at(f.front)
	f.front++
	return b, true
}

// appendTo appends the buckets on f to list, the next to leave first.
func (f *fifo) appendTo(list []uint32) []uint32 {
	for i := f.front; i != f.back; i++ {
		list = append(list, *f.at(i))
	}
	return list
}
