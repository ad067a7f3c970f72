// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"fmt"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/prio"
)

// RewritePrios plans a fresh prio chain with all gens and prios as they will be. Its buckets are chosen and raised
// first, so that the chain tells their own new gens too. It returns them and the chain's seq.
// Errors: ErrNoSpace, ErrEncode.
func (t *Tx) RewritePrios() (buckets []ondisk.Bucket, seq uint64, err error) {
	if buckets, err = t.Allocate(t.g.PrioBuckets()); err != nil {
		return nil, 0, err
	}
	seq, err = t.putChain(buckets)
	return buckets, seq, err
}

// putChain plans the sets, the last one first, and leads the entry to them. It returns the chain's seq.
func (t *Tx) putChain(buckets []ondisk.Bucket) (seq uint64, err error) {
	old := t.c.Journal.Newest.PrioBucket[t.g.ThisDev]
	seq = 1
	for _, l := range t.c.Chain.Links {
		seq = max(seq, l.Seq+1)
	}
	next := old // behind the last set stands the head of the chain before
	if !t.g.Contains(ondisk.Bucket(old)) {
		next = 0
	}
	for i := len(buckets) - 1; i >= 0; i-- {
		b, err := prio.Encode(&t.g, i, seq, next, func(b ondisk.Bucket) ondisk.PrioEntry {
			return ondisk.PrioEntry{Prio: t.Prio(b), Gen: t.Gen(b)}
		})
		if err != nil {
			return 0, err
		}
		if err := t.put(buckets[i], b, fmt.Sprintf("prio set %d", i)); err != nil {
			return 0, err
		}
		next = uint64(buckets[i])
	}
	t.entry.PrioBucket[t.g.ThisDev] = uint64(buckets[0])
	return seq, nil
}

// Changes lists the buckets whose entries in the chain differ from the old chain's.
func (t *Tx) Changes() (changes []inspect.PrioChange) {
	for b := range t.g.NBuckets {
		old := t.c.Buckets
		if known := old.GenKnown(b); known && t.gens[b] == old.DiskGen(b) && t.prios[b] == old.Prio(b) {
			continue
		}
		changes = append(changes, inspect.PrioChange{
			Bucket: b, OldGen: old.DiskGen(b), Gen: t.gens[b], OldPrio: old.Prio(b), Prio: t.prios[b], Mark: old.Mark(b).String(),
		})
	}
	return changes
}
