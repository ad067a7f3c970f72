// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"fmt"
	"iter"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
	"bctl/prio"
	"bctl/superblock"
)

// Whole is all of a cache's metadata made anew beside the old:
//
//	step 1   nodes, uuid bucket, prio sets   in buckets that nothing leads to              flush
//	step 2   ONE journal entry               at a block of the ring that is not needed     flush
//	step 3   zeroes                          over all other entries of the ring            flush
//
// The entry's last_seq is its own seq: whatever the old journal held is in the tree by now. It has the highest seq of
// the ring, so whoever reads all of the ring finds it as soon as it is durable; the kernel, which does not, finds it
// once step 3 is through. Before step 2 the old state stands untouched, damaged as it was.
type Whole struct {
	Geo   *superblock.Geometry
	Keep  iter.Seq2[*ondisk.Bkey, error] // the live extents, in order
	UUIDs uuids.Table
	Gens  []uint8                      // of every bucket; of those that are taken they are raised by one
	Prios []uint16                     // likewise; those that are taken get BtreePrio
	Next  func() (ondisk.Bucket, bool) // a bucket that nothing leads to
	Rand  func() uint64                // for the nodes' sequence numbers

	Seq     uint64          // of the entry, above all others
	At      ondisk.Sector   // where it goes
	Erase   []ondisk.Sector // blocks of the ring to be zeroed
	PrioSeq uint64
	OldHead uint64 // of the chain before, for its tail

	puts []plan.Write
}

// Plan gives the plan. Errors: ErrNoSpace, ErrEncode, Keep's.
func (w *Whole) Plan() (*plan.Plan, error) {
	root, level, err := w.tree()
	if err != nil {
		return nil, err
	}
	slots, err := w.take()
	if err != nil {
		return nil, err
	}
	data, err := w.UUIDs.Encode(w.Geo)
	if err != nil {
		return nil, err
	}
	w.put(slots, data, "uuids")
	head, err := w.chain()
	if err != nil {
		return nil, err
	}
	j := ondisk.Jset{Seq: w.Seq, LastSeq: w.Seq, Version: 1, Level: uint16(level)}
	j.BtreeRoot.Bkey = root
	j.UUIDBucket.Bkey = ondisk.MakeKey(0, 0, w.Geo.MetaSectors)
	j.UUIDBucket.SetPtrs(1)
	j.UUIDBucket.Ptr[0] = ondisk.MakePtr(w.Gens[slots], w.Geo.Start(slots), uint64(w.Geo.ThisDev))
	j.PrioBucket[w.Geo.ThisDev] = uint64(head)
	entry, err := sealJset(w.Geo, &j)
	if err != nil {
		return nil, err
	}
	p := new(plan.Plan)
	p.Then(w.puts...)
	p.Then(plan.Write{Off: w.At.Bytes(), Data: entry, What: fmt.Sprintf("journal entry %d", w.Seq)})
	p.Then(w.erasures(int64(len(entry)))...)
	p.Watched = []plan.Region{{Off: ondisk.SuperOffset, Bytes: ondisk.SuperSize}}
	return p, nil
}

// tree builds the btree of what is kept.
func (w *Whole) tree() (root ondisk.Bkey, level int, err error) {
	b, err := btree.NewBuilder(btree.Build{
		Geo: w.Geo, Fill: 75, Seq: w.Rand, // as full as the kernel leaves a node that it has just split
		Alloc: func(int) (ondisk.Bucket, uint8, error) {
			b, err := w.take()
			if err != nil {
				return 0, 0, err
			}
			return b, w.Gens[b], nil
		},
		Put: func(b ondisk.Bucket, level int, node []byte) error {
			w.put(b, append([]byte(nil), node...), fmt.Sprintf("btree node of level %d", level))
			return nil
		},
	})
	if err != nil {
		return root, 0, err
	}
	for k, err := range w.Keep {
		if err == nil {
			err = b.Add(k)
		}
		if err != nil {
			return root, 0, err
		}
	}
	return b.Finish()
}

// chain writes the prio sets, the last first: all buckets are taken before the first is packed.
func (w *Whole) chain() (head ondisk.Bucket, err error) {
	buckets := make([]ondisk.Bucket, w.Geo.PrioBuckets())
	for i := range buckets {
		if buckets[i], err = w.take(); err != nil {
			return 0, err
		}
	}
	next := w.OldHead
	for i := len(buckets) - 1; i >= 0; i-- {
		set, err := prio.Encode(w.Geo, i, w.PrioSeq, next, func(b ondisk.Bucket) ondisk.PrioEntry {
			return ondisk.PrioEntry{Prio: w.Prios[b], Gen: w.Gens[b]}
		})
		if err != nil {
			return 0, err
		}
		w.put(buckets[i], set, fmt.Sprintf("prio set %d", i))
		next = uint64(buckets[i])
	}
	return buckets[0], nil
}

func (w *Whole) take() (ondisk.Bucket, error) {
	b, ok := w.Next()
	if !ok {
		return 0, fmt.Errorf("%w: none left to write to", ErrNoSpace)
	}
	w.Gens[b]++
	w.Prios[b] = ondisk.BtreePrio
	return b, nil
}

func (w *Whole) put(b ondisk.Bucket, data []byte, what string) {
	w.puts = append(w.puts, plan.Write{Off: w.Geo.Start(b).Bytes(), Data: data, What: fmt.Sprintf("%s, bucket %d", what, b)})
}

// erasures zero the ring's other entries: a block each is enough, for it had the magic and the checksum.
func (w *Whole) erasures(entry int64) (writes []plan.Write) {
	zero := make([]byte, w.Geo.BlockSectors.Bytes())
	for _, s := range w.Erase {
		if s+w.Geo.BlockSectors <= w.At || s.Bytes() >= w.At.Bytes()+entry {
			writes = append(writes, plan.Write{Off: s.Bytes(), Data: zero, What: "an older journal entry"})
		}
	}
	return writes
}
