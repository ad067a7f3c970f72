// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"errors"
	"fmt"

	"bctl/alloc"
)

// scatters are the fields that scatter can fill, with the highest value each
// may take.
var scatters = map[string]struct {
	limit uint64
	set   func(b *alloc.Bucket, v uint64)
}{
	"prio": {1<<16 - 1, func(b *alloc.Bucket, v uint64) { b.Prio = uint16(v) }},
	"gen":  {1<<8 - 1, func(b *alloc.Bucket, v uint64) { b.Gen = uint8(v) }},
	"age":  {1<<8 - 1, func(b *alloc.Bucket, v uint64) { b.LastGC = b.Gen - uint8(v) }},
	"mark": {3, func(b *alloc.Bucket, v uint64) { b.Mark = alloc.GCMark(v) }},
	"used": {1<<31 - 1, func(b *alloc.Bucket, v uint64) {
		b.Used = int(v)
		if b.Mark == alloc.MarkFree {
			b.Used = 0
		}
	}},
}

// scatterOp sets a field of every bucket to a random value. Each bucket takes
// one output of the generator, also where the value is not used.
func scatterOp(s *script, args []string) error {
	f, ok := scatters[args[0]]
	if !ok {
		return fmt.Errorf("field %q: want prio, gen, age, mark or used", args[0])
	}
	seed, err := parseUint(args[1], 1<<64-1)
	if err != nil {
		return err
	}
	low, err := parseUint(args[2], f.limit)
	if err != nil {
		return err
	}
	high, err := parseUint(args[3], f.limit)
	if err != nil {
		return err
	}
	if high < low {
		return errors.New("the range ends before it begins")
	}
	lo, hi := s.cfg.FirstBucket, s.cfg.NBuckets
	if len(args) == 5 {
		if lo, hi, err = s.rangeArg(args[4]); err != nil {
			return err
		}
	}
	rng := alloc.SplitMix64(seed)
	for i := lo; i < hi; i++ {
		b := s.c.Bucket(i)
		f.set(&b, low+rng.Next()%(high-low+1))
		s.c.SetBucket(i, b)
	}
	return nil
}
