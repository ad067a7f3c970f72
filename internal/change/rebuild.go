// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"cmp"
	"slices"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/prio"
)

// A Rebuilt is a bucket whose gen no surviving prio set tells.
type Rebuilt struct {
	Bucket ondisk.Bucket `json:"bucket"`
	Gen    uint8         `json:"gen"`
	Mark   string        `json:"mark"`
}

// RebuildGens makes gens for the buckets of damaged prio sets:
//
//	dirty data or metadata  the highest gen of any pointer to it, so that all of it stays
//	clean data              one past that, so that no stale data come back: its clean data are given up
//	nothing                 what an older, intact chain says
//
// and never less than what an older chain says, for gens only rise. It returns what it made of each.
func (t *Tx) RebuildGens() (rebuilt []Rebuilt) {
	bound := t.olderChain()
	for b := range t.g.NBuckets {
		if t.c.Buckets.GenKnown(b) {
			continue
		}
		mark := t.c.Buckets.Mark(b)
		gen, prio := t.gens[b], uint16(0)
		switch {
		case mark == inspect.Metadata:
			prio = ondisk.BtreePrio
		case mark == inspect.Dirty:
			prio = ondisk.InitialPrio
		case t.c.Buckets.GenSeen(b):
			gen++
		}
		if old, ok := bound[b]; ok {
			if prio == 0 {
				prio = old.Prio
			}
			if ahead := old.Gen - gen; ahead < 128 {
				gen = old.Gen
			}
		}
		t.gens[b], t.prios[b] = gen, prio
		rebuilt = append(rebuilt, Rebuilt{b, gen, mark.String()})
	}
	return rebuilt
}

// olderChain reads the newest whole chain that an older journal entry, or the tail of the current chain, leads to,
// for the buckets whose gens are unknown.
func (t *Tx) olderChain() map[ondisk.Bucket]ondisk.PrioEntry {
	heads := map[ondisk.Bucket]bool{}
	if n := len(t.c.Chain.Links); n == t.g.PrioBuckets() {
		heads[t.c.Chain.Links[n-1].Next] = true
	}
	for _, e := range t.c.Journal.Entries {
		if j, err := t.c.Journal.Read(e); err == nil && e.Seq < t.entry.Seq {
			heads[ondisk.Bucket(j.PrioBucket[t.g.ThisDev])] = true
		}
	}
	delete(heads, ondisk.Bucket(t.c.Journal.Newest.PrioBucket[t.g.ThisDev]))
	var best map[ondisk.Bucket]ondisk.PrioEntry
	top := uint64(0)
	for head := range heads {
		// A bucket that is part of a newer chain now makes one that does not hold together: its seqs differ.
		got := map[ondisk.Bucket]ondisk.PrioEntry{}
		whole := true
		chain := prio.Follow(t.c.Reader(), &t.g, head, func(l prio.Link, data []ondisk.PrioEntry) {
			for i, e := range data {
				if b := l.First + ondisk.Bucket(i); !t.c.Buckets.GenKnown(b) {
					got[b] = e
				}
			}
		}, func(f finding.Finding) { whole = whole && f.Severity != finding.Damage })
		if whole && chain.Intact && chain.Links[0].Seq > top {
			best, top = got, chain.Links[0].Seq
		}
	}
	return best
}

// A Risk is data that a changed gen would lose, or bring back.
type Risk struct {
	Bucket        ondisk.Bucket
	Why           string
	Inode         uint32
	Offset, Count ondisk.Sector
}

// Risks looks for what the gens set with SetGen would do: stale pointers that come back to life or fall behind
// further than the kernel bears, live dirty extents and metadata that become stale. It is called before Allocate.
// Errors: the context's.
func (t *Tx) Risks() (risks []Risk, err error) {
	var mu sync.Mutex
	add := func(r Risk) {
		mu.Lock()
		defer mu.Unlock()
		risks = append(risks, r)
	}
	for b := range t.g.NBuckets {
		if t.gens[b] != t.c.Buckets.Gen(b) && t.c.Buckets.Mark(b) == inspect.Metadata {
			add(Risk{Bucket: b, Why: "the bucket holds metadata: " + t.c.Buckets.Owner(b)})
		}
	}
	err = t.c.Walk(func(_ int, e *inspect.Extent) {
		for _, p := range e.Ptr[:e.Ptrs()] {
			b := t.g.BucketOf(p.Offset())
			if !p.Available() || b >= t.g.NBuckets || t.gens[b] == t.c.Buckets.Gen(b) {
				continue
			}
			lag := ondisk.GenAfter(t.gens[b], p.Gen())
			stale := lag > 0
			r := Risk{Bucket: b, Inode: e.Inode(), Offset: e.Start(), Count: e.Size()}
			switch {
			case e.Stale > 0 && !stale:
				r.Why = "a stale pointer would come back to life"
				add(r)
			case e.Live && e.Dirty() && stale:
				r.Why = "live dirty data would be lost"
				add(r)
			case lag > ondisk.GenLimit:
				r.Why = "a pointer would be too far behind, and the kernel would complain of it"
				add(r)
			}
		}
	})
	slices.SortFunc(risks, func(a, b Risk) int {
		return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.Offset, b.Offset))
	})
	return risks, err
}
