// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"sort"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/full"
	"bctl/internal/finding"
	"bctl/prio"
)

// A Rebuilt is a bucket whose gen no surviving prio set tells.
type Rebuilt struct {
	Bucket ondisk.Bucket `json:"bucket"`
	Gen    uint8         `json:"gen"`
	Mark   string        `json:"mark"`
}

// Unsure is dirty data of one volume in one bucket whose gen the pointers alone tell: if it had moved on, they are
// written back, and old.
type Unsure struct {
	Bucket  ondisk.Bucket `json:"bucket"`
	Inode   uint32        `json:"inode"`
	Sectors ondisk.Sector `json:"dirty_sectors"`
}

// Gens is what RebuildGens made.
type Gens struct {
	Count   int       // of the buckets whose gens were made
	Rebuilt []Rebuilt // those; as the two lists below, nil where they are not wanted
	Unsure  []Unsure  // kept dirty, though nothing confirms that they are not old
	Held    []Unsure  // left stale: the backing device holds the same

	dubious *dubious // the buckets of Unsure, and its sums
}

// RebuildGens makes gens for the buckets of damaged prio sets:
//
//	dirty data or metadata  the highest gen of any pointer to it, so that all of it stays
//	clean data              one past that, so that no stale data come back: its clean data are given up
//	nothing                 what an older, intact chain says
//
// and never less than what an older chain says, for gens only rise. Dirty data that a journal entry of the lost chain's
// time points to are surely current; of all other dirty data it may be that they were written back and their bucket had
// gone on, which only the lost gen told. They are compared with the backing device of their volume, where below has
// one: a bucket whose dirty data all stand there already is left stale, any other stays dirty and is named.
// Errors: the context's, the devices'.
func RebuildGens(tx *change.Tx, below func(inode uint32) io.ReaderAt) (*Gens, error) {
	return rebuildGens(tx, below, true)
}

// rebuildGens is RebuildGens that may leave the lists out, which at millions of buckets are large. It is fsck's then: a
// bucket whose clean data stand on the backing devices too, beside the dirty, stays as it is, for kernels note each
// dirty pointer that is stale.
func rebuildGens(tx *change.Tx, below func(inode uint32) io.ReaderAt, lists bool) (*Gens, error) {
	c := tx.Cache()
	out := &Gens{dubious: newDubious(c.Geo.NBuckets)}
	sure := confirmed(c, c.Journal, c.Journal.Newest)
	doubtful, held, err := doubts(tx, sure, below, lists)
	if err != nil {
		return nil, err
	}
	bound := olderChain(tx)
	for b := range c.Geo.NBuckets {
		if c.Buckets.GenKnown(b) {
			continue
		}
		mark := c.Buckets.Mark(b)
		gen, prio := tx.Gen(b), uint16(0)
		switch {
		case mark == inspect.Metadata:
			prio = ondisk.BtreePrio
		case mark == inspect.Dirty && !held[b]:
			prio = ondisk.InitialPrio
		case c.Buckets.GenSeen(b):
			gen++
		}
		if old, ok := bound.of(b); ok {
			if prio == 0 {
				prio = old.Prio
			}
			if ahead := old.Gen - gen; ahead < 128 {
				gen = old.Gen
			}
		}
		if mark == inspect.Clean || held[b] || mark == inspect.Dirty && gen != tx.Gen(b) {
			tx.GivenUp(b)
		}
		tx.SetGen(b, gen)
		tx.SetPrio(b, prio)
		out.Count++
		if mark == inspect.Dirty && !held[b] && !sure[b] && gen == c.Buckets.Gen(b) {
			out.dubious.set(b)
		}
		if !lists {
			continue
		}
		out.Rebuilt = append(out.Rebuilt, Rebuilt{b, gen, mark.String()})
		switch { // what an older chain has moved on past is surely old
		case held[b]:
			out.Held = append(out.Held, doubtful[b]...)
		case gen == c.Buckets.Gen(b):
			out.Unsure = append(out.Unsure, doubtful[b]...)
		}
	}
	return out, out.dubious.count(c)
}

// doubts finds the dirty data in buckets whose gens nothing confirms, which it lists if that is wanted, and which of
// these buckets hold no dirty data that the backing devices do not hold too; of those, where no lists are wanted, the
// ones whose clean data are the same there as well become sure.
func doubts(tx *change.Tx, sure map[ondisk.Bucket]bool, below func(uint32) io.ReaderAt, lists bool) (doubtful map[ondisk.Bucket][]Unsure, held []bool, err error) {
	c := tx.Cache()
	held = make([]bool, c.Geo.NBuckets)
	if below == nil && !lists {
		return nil, held, nil
	}
	differs, cleanDiffers := make([]bool, c.Geo.NBuckets), make([]bool, c.Geo.NBuckets)
	sums := map[Unsure]ondisk.Sector{}
	var mu sync.Mutex
	err = c.Walk(func(_ int, e *inspect.Extent) {
		b := c.Geo.BucketOf(e.Ptr[0].Offset())
		if !e.Live || !e.Dirty() && (lists || c.Buckets.Mark(b) != inspect.Dirty) || c.Buckets.GenKnown(b) || sure[b] {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !e.Dirty() {
			cleanDiffers[b] = cleanDiffers[b] || differs[b] || !sameBelow(c, &e.Bkey, below)
			return
		}
		if lists {
			sums[Unsure{Bucket: b, Inode: e.Inode()}] += e.Size()
		}
		if !differs[b] {
			equal := sameBelow(c, &e.Bkey, below)
			held[b], differs[b] = equal, !equal
		}
	})
	if err != nil {
		return nil, nil, err
	}
	for b := range ondisk.Bucket(len(held)) {
		if held[b] && !cleanDiffers[b] && !lists {
			held[b], sure[b] = false, true
		}
	}
	doubtful = map[ondisk.Bucket][]Unsure{}
	for u, n := range sums {
		u.Sectors = n
		doubtful[u.Bucket] = append(doubtful[u.Bucket], u)
	}
	for _, us := range doubtful {
		sort.Slice(us, func(i, j int) bool { return us[i].Inode < us[j].Inode })
	}
	return doubtful, held, nil
}

// sameBelow compares an extent with the backing device. What cannot be read, here or there, is not the same: it may lie
// behind the end of a device that was cut off.
func sameBelow(c *inspect.Cache, k *ondisk.Bkey, below func(uint32) io.ReaderAt) bool {
	if below == nil {
		return false
	}
	dev := below(k.Inode())
	if dev == nil {
		return false
	}
	ours, theirs := make([]byte, k.Size().Bytes()), make([]byte, k.Size().Bytes())
	return full.ReadAt(c.Reader(), ours, k.Ptr[0].Offset().Bytes()) == nil && full.ReadAt(dev, theirs, k.Start().Bytes()) == nil &&
		bytes.Equal(ours, theirs)
}

// olderChain reads the newest whole chain that an older journal entry, or the tail of the current chain, leads to,
// for the buckets whose gens are unknown.
func olderChain(tx *change.Tx) bounds {
	c := tx.Cache()
	g := &c.Geo
	heads := map[ondisk.Bucket]bool{}
	if n := len(c.Chain.Links); n == g.PrioBuckets() {
		heads[c.Chain.Links[n-1].Next] = true
	}
	for _, e := range c.Journal.Entries {
		if j, err := c.Journal.Read(e); err == nil && e.Seq < tx.Seq() {
			heads[ondisk.Bucket(j.PrioBucket[g.ThisDev])] = true
		}
	}
	delete(heads, ondisk.Bucket(c.Journal.Newest.PrioBucket[g.ThisDev]))
	var best bounds
	top := uint64(0)
	for _, head := range slices.Sorted(maps.Keys(heads)) {
		// A bucket that is part of a newer chain now makes one that does not hold together: its seqs differ.
		got := bounds{}
		whole := true
		chain := prio.Follow(c.Reader(), g, head, func(l prio.Link, data []ondisk.PrioEntry) {
			got = append(got, make(bounds, max(0, int(l.First)+len(data)-len(got)))...)
			copy(got[l.First:], data)
		}, func(f finding.Finding) { whole = whole && f.Severity != finding.Damage })
		if whole && chain.Intact && chain.Links[0].Seq > top {
			best, top = got, chain.Links[0].Seq
		}
	}
	return best
}

// bounds are what an older chain says, by bucket; empty where there is none.
type bounds []ondisk.PrioEntry

func (o bounds) of(b ondisk.Bucket) (e ondisk.PrioEntry, ok bool) {
	if b >= ondisk.Bucket(len(o)) {
		return e, false
	}
	return o[b], true
}
