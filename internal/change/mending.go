// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/plan"
)

// mending is what a transaction needs that starts from a damaged cache: not all that is in use is marked so, and the
// ring may not lead to the new entry.
type mending struct {
	mends bool
	used  bits // by what the old tree does not lead to
	spare bits // of clean data that are given up and that nobody can read any more: written last
	avoid bits // free, but not to be written: what it holds is evidence
	kept  map[ondisk.Bucket]bool

	alone bool // the new entry needs no other one
	ring  int  // where it goes then
	erase []ondisk.Sector
}

// bits is a set of buckets.
type bits []uint64

func (s bits) has(b ondisk.Bucket) bool { return len(s) > 0 && s[b/64]>>(b%64)&1 != 0 }

func (s *bits) add(b, of ondisk.Bucket) {
	if *s == nil {
		*s = make(bits, of/64+1)
	}
	(*s)[b/64] |= 1 << (b % 64)
}

// Mends says that the old state is damaged: what could be evidence is overwritten last, and where there is no more, the
// smaller reserve of kernels before 6.16 is enough.
func (t *Tx) Mends() { t.mends = true }

// least is how many buckets the kernel must find unmarked.
func (t *Tx) least() int {
	if t.mends {
		return t.g.Reserve()
	}
	return t.g.LargestReserve()
}

// Use counts a bucket among those in use that nothing led to before: it holds data that the new tree leads to.
func (t *Tx) Use(b ondisk.Bucket) { t.used.add(b, t.g.NBuckets) }

// Spare gives up clean data in b that no old state leads to, for the kernel refuses that as it is: it may be written to
// at once. Its gen was raised.
func (t *Tx) Spare(b ondisk.Bucket) {
	t.spare.add(b, t.g.NBuckets)
	t.GivenUp(b)
}

// Used reports whether Use was told of b.
func (t *Tx) Used(b ondisk.Bucket) bool { return t.used.has(b) }

// Avoid keeps a free bucket from being written.
func (t *Tx) Avoid(b ondisk.Bucket) { t.avoid.add(b, t.g.NBuckets) }

// Keep has the new tree lead to a node where it stands, whether the old one leads to it or not. It comes before SetRoot.
func (t *Tx) Keep(k *ondisk.Bkey) {
	if t.kept == nil {
		t.kept = map[ondisk.Bucket]bool{}
	}
	b := t.g.BucketOf(k.Ptr[0].Offset())
	t.kept[b] = true
	t.Use(b)
	t.prios[b] = ondisk.BtreePrio
}

func (t *Tx) keeps(k *ondisk.Bkey) bool { return t.kept[t.g.BucketOf(k.Ptr[0].Offset())] }

// Alone has the new entry need no other one: its last_seq is its own number, seq, which is above all that the ring
// holds. So every key of the live journal must be in the new tree. It goes to the start of journal bucket ring, whatever
// stands there, and once it is durable the blocks at erase are zeroed, which hold all other entries: whoever reads the
// whole ring finds the entry at once, and the kernel, which does not, behind that.
func (t *Tx) Alone(seq uint64, ring int, erase []ondisk.Sector) {
	t.alone, t.ring, t.erase = true, ring, erase
	t.entry.Seq, t.entry.LastSeq = seq, seq
}

// goesTo is where the entry goes.
func (t *Tx) goesTo() (journal.Entry, error) {
	if t.alone {
		return journal.Entry{Seq: t.entry.Seq, LastSeq: t.entry.LastSeq, Bytes: t.entrySize(), Ring: t.ring}, nil
	}
	return t.place()
}

// erasures zero the ring's other entries: a block each is enough, for it had the magic and the checksum. from and to
// are where the new one stands.
func (t *Tx) erasures(from, to int64) (writes []plan.Write) {
	for _, s := range t.erase {
		if n := t.g.BlockSectors.Bytes(); s.Bytes()+n <= from || s.Bytes() >= to {
			writes = append(writes, plan.Zero(s.Bytes(), n, "an older journal entry"))
		}
	}
	return writes
}
