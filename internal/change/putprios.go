// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"errors"
	"fmt"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// ErrUnsafe says that a chain would be written where something live stands, or would tell gens that lose data.
var ErrUnsafe = errors.New("unsafe prio chain")

// PutPrios plans a prio chain in buckets that the caller's allocator has taken: set i in buckets[i], with what entry
// says of the buckets that set i covers. It trusts the allocator with nothing: no key may lead into a bucket that is
// written to, gens may only rise, not past what old pointers allow, and not at all where dirty data or metadata are.
// It returns the chain's seq. Errors: ErrUnsafe, ErrEncode.
func (t *Tx) PutPrios(buckets []ondisk.Bucket, entry func(ondisk.Bucket) ondisk.PrioEntry) (seq uint64, err error) {
	if len(buckets) != t.g.PrioBuckets() {
		return 0, fmt.Errorf("%w: %d buckets, %d are needed", ErrUnsafe, len(buckets), t.g.PrioBuckets())
	}
	if err := t.scan(); err != nil {
		return 0, err
	}
	for _, b := range buckets {
		if b < t.g.FirstBucket || b >= t.g.NBuckets || !t.Free(b) || t.usage.pointed.has(b) {
			return 0, fmt.Errorf("%w: bucket %d is in use", ErrUnsafe, b)
		}
		t.taken.add(b, t.g.NBuckets)
	}
	for b := t.g.FirstBucket; b < t.g.NBuckets; b++ {
		e := entry(b)
		if err := t.mayRise(b, e.Gen); err != nil {
			return 0, err
		}
		t.gens[b], t.prios[b] = e.Gen, e.Prio
	}
	return t.putChain(buckets)
}

// mayRise checks a bucket's new gen.
func (t *Tx) mayRise(b ondisk.Bucket, gen uint8) error {
	by := gen - t.gens[b]
	mark := t.c.Buckets.Mark(b)
	switch {
	case by == 0:
		return nil
	case by > 127:
		return fmt.Errorf("%w: bucket %d: gen %d is behind %d", ErrUnsafe, b, gen, t.gens[b])
	case mark == inspect.Dirty || mark == inspect.Metadata:
		return fmt.Errorf("%w: bucket %d is %s", ErrUnsafe, b, mark)
	case int(max(t.usage.lag[b], t.c.Buckets.Lag(b)))+int(by) > ondisk.GenLimit:
		return fmt.Errorf("%w: bucket %d: gen %d is more than %d ahead of a pointer", ErrUnsafe, b, gen, ondisk.GenLimit)
	}
	return nil
}
