package transaction

import (
	"bytes"
	"errors"
	"fmt"

	"bctl/inspect"
	"bctl/internal/ondisk"
)

// RewritePrios plans a fresh prio chain with all gens and prios as they will be. Its buckets are chosen and raised
// first, so that the chain tells their own new gens too. It returns them and the chain's seq.
// Errors: ErrNoSpace, ErrEncode.
func (t *Tx) RewritePrios() (buckets []ondisk.Bucket, seq uint64, err error) {
	if buckets, err = t.Allocate(t.g.PrioBuckets()); err != nil {
		return nil, 0, err
	}
	old := t.c.Journal.Newest.PrioBucket[t.g.ThisDev]
	seq = 1
	for _, l := range t.c.Chain.Links {
		seq = max(seq, l.Seq+1)
	}
	next := old // behind the last set stands the head of the chain before
	for i := len(buckets) - 1; i >= 0; i-- {
		b, err := t.prioSet(i, seq, next)
		if err != nil {
			return nil, 0, err
		}
		t.put(buckets[i], b, fmt.Sprintf("prio set %d", i))
		next = uint64(buckets[i])
	}
	t.entry.PrioBucket[t.g.ThisDev] = uint64(buckets[0])
	return buckets, seq, nil
}

// prioSet encodes set i, and decodes it again.
func (t *Tx) prioSet(i int, seq, next uint64) ([]byte, error) {
	per := t.g.PriosPerBucket()
	set := ondisk.PrioSet{Seq: seq, NextBucket: next, Data: make([]ondisk.PrioEntry, per)}
	set.Tail = make([]byte, int(t.g.MetaSectors.Bytes())-ondisk.PrioSetBytes-3*per)
	for k := range set.Data {
		if b := ondisk.Bucket(i*per + k); b < t.g.NBuckets {
			set.Data[k] = ondisk.PrioEntry{Prio: t.Prio(b), Gen: t.Gen(b)}
		}
	}
	set.Seal(t.g.SetMagic)
	b := set.Append(nil)
	again, err := ondisk.DecodePrioSet(b, t.g.SetMagic)
	if err != nil || !bytes.Equal(again.Append(nil), b) {
		return nil, fmt.Errorf("prio set %d: %w", i, errors.Join(ErrEncode, err))
	}
	return b, nil
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
