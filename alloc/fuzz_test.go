// SPDX-License-Identifier: GPL-2.0-only

package alloc

import "testing"

// A fuzzDisk remembers which gens a crash would leave, and which buckets the
// kernel itself lets through without: those of before the first prio write,
// into which nothing points, and those of a prio write that found no bucket.
type fuzzDisk struct {
	c       *Cache
	packed  map[uint32]uint8
	gen     map[uint32]uint8 // journalled
	excused map[uint32]bool
	bad     []uint32 // taken before its gen was on disk
}

func (d *fuzzDisk) Pack(_ uint64, _, lo, hi int, entry func(int) (uint16, uint8), _ int) {
	for i := lo; i < hi; i++ {
		_, d.packed[uint32(i)] = entry(i)
	}
}

func (d *fuzzDisk) Write(int, int) error { return nil }

func (d *fuzzDisk) Journal(uint64, []uint32) error {
	d.gen, d.packed = d.packed, map[uint32]uint8{}
	return nil
}

func (d *fuzzDisk) Trace(e Event) {
	switch e.Kind {
	case EventInvalidate:
		delete(d.excused, e.Bucket)
	case EventInit:
		d.excused[e.Bucket] = true
	case EventPrioNoMem:
		for _, b := range d.c.freeInc.appendTo(nil) {
			d.excused[b] = true
		}
	case EventTake:
		gen, ok := d.gen[e.Bucket]
		if on := ok && gen == d.c.buckets[e.Bucket].gen; !on && !d.excused[e.Bucket] {
			d.bad = append(d.bad, e.Bucket)
		}
	}
}

// fuzzCache is a cache with something in it, shaped by two bytes.
func fuzzCache(t *testing.T, shape, marks byte) (*Cache, *fuzzDisk) {
	d := &fuzzDisk{packed: map[uint32]uint8{}, excused: map[uint32]bool{}}
	cfg := DefaultConfig()
	cfg.Model = Models()[int(shape)%len(Models())]
	cfg.Policy = Policy(shape >> 2 % 3)
	cfg.NBuckets = []int{513, 600, 1025, 2049}[shape>>4&3]
	cfg.BucketSize = []int{8, 64}[shape>>6&1]
	cfg.Discard = shape>>7 == 1
	cfg.Seed = uint64(marks)
	cfg.Prios, cfg.Trace = d, d
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.c = c
	rng := SplitMix64(marks)
	for i := cfg.FirstBucket; i < cfg.NBuckets; i++ {
		v := rng.Next()
		b := Bucket{Prio: uint16(v), Gen: uint8(v >> 16), Mark: GCMark(v >> 24 & uint64(marks) & 3)}
		b.LastGC = b.Gen - uint8(v>>32)%90
		if b.Mark != MarkFree {
			b.Used = int(v>>40) % 9
		}
		c.SetBucket(i, b)
	}
	if err := c.StartExisting(); err != nil {
		t.Fatal(err)
	}
	return c, d
}

// FuzzOps takes bytes for a program of allocator calls, and holds the
// allocator to its invariants after each. Fuzz it with -fuzzminimizetime 1x:
// minimizing what is new in so long a program takes longer than finding it.
func FuzzOps(f *testing.F) {
	f.Add([]byte{0, 0, 1, 2, 0})
	f.Add([]byte("\x04\x01 0000 8888 @@@@ HHHH"))
	f.Add([]byte("\x18\x03abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
	for shape := range 9 {
		prog := []byte{byte(shape<<2 | shape%3), byte(shape)}
		rng := SplitMix64(shape)
		for range 300 {
			prog = append(prog, byte(rng.Next()))
		}
		f.Add(prog)
	}
	f.Fuzz(func(t *testing.T, prog []byte) {
		if len(prog) < 2 || len(prog) > 4096 {
			return
		}
		c, disk := fuzzCache(t, prog[0], prog[1])
		held := map[int]int{} // pins that are ours
		order := []int{}
		for i, op := range prog[2:] {
			fuzzOp(t, c, op, held, &order)
			if i%2 == 0 {
				c.Run()
			}
			if err := c.Check(); err != nil {
				t.Fatalf("op %d, %#x: %v", i, op, err)
			}
			if len(disk.bad) > 0 {
				t.Fatalf("op %d, %#x: buckets %v used before their gens were on disk", i, op, disk.bad)
			}
		}
	})
}

func fuzzOp(t *testing.T, c *Cache, op byte, held map[int]int, order *[]int) {
	arg := int(op >> 4)
	hold := func(b int) {
		held[b]++
		*order = append(*order, b)
	}
	switch op & 15 {
	case 0, 1, 2, 3, 4:
		b, ok := c.Alloc(Reserve(arg % int(reserveNR)))
		if !ok {
			break
		}
		if held[b] > 0 {
			t.Fatalf("bucket %d handed out twice", b)
		}
		hold(b)
	case 5, 6:
		r := Request{Key: Key{uint32(arg & 3), uint64(arg) * 8}, Sectors: 1 + arg, WritePoint: uint32(arg), WritePrio: uint32(arg & 1)}
		if p, ok := c.AllocSectors(r); ok {
			hold(p.Bucket)
		}
	case 7, 8, 9, 10:
		for range 1 + arg {
			if n := len(*order); n > 0 {
				b := (*order)[0]
				*order = (*order)[1:]
				held[b]--
				c.Put(b)
			}
		}
	case 11:
		if len(*order) > 0 {
			b := (*order)[0]
			if arg&1 == 0 {
				c.Free(b)
			} else {
				c.SetPrio(b, uint16(arg)<<12)
			}
		}
	case 12:
		c.Rescale(int32(arg) * 100)
	case 13:
		if c.prioBlocked > 0 {
			c.UnblockPrios()
		} else if arg < 4 {
			c.BlockPrios()
		}
	case 14:
		if arg < 8 {
			c.GCKeep()
			break
		}
		c.GCStart()
		c.GCFinish()
	case 15:
		c.SetPolicy(Policy(arg % 3))
	}
}
