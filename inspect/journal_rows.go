// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"sort"

	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// What an entry of the ring is to the kernel.
const (
	EntryNewest  = "newest"  // registration starts from it
	EntryLive    = "live"    // its keys are replayed
	EntryUnseen  = "unseen"  // valid and newer or needed, but the kernel does not find it
	EntryOld     = "old"     // done with: the newest does not need it any more
	EntryDamaged = "damaged" // it has the set's magic, and is no valid entry
)

// JournalRow is one entry of the journal's ring. Of a damaged one the numbers are what its header says.
type JournalRow struct {
	State   string               `json:"state"`
	Seq     uint64               `json:"seq"`
	LastSeq uint64               `json:"last_seq"`
	Bucket  ondisk.Bucket        `json:"bucket"`
	Offset  ondisk.Sector        `json:"bucket_offset_sectors"` // from the bucket's start
	Bytes   int64                `json:"bytes"`
	Keys    Maybe[int]           `json:"keys"`
	Root    Maybe[ondisk.Bucket] `json:"root"`
	Level   Maybe[uint16]        `json:"level"` // levels below the root
	UUIDs   Maybe[ondisk.Bucket] `json:"uuids"`
	Prios   Maybe[ondisk.Bucket] `json:"prios"` // head of the chain
	Trouble string               `json:"trouble"`

	entry journal.Entry
}

// JournalKeyRow is one key of an entry.
type JournalKeyRow struct {
	Seq    uint64        `json:"seq"`
	Number int           `json:"number"` // in its entry, from 0
	Inode  uint32        `json:"inode"`
	Offset ondisk.Sector `json:"offset_sectors"` // where the extent starts in the volume
	Size   ondisk.Sector `json:"sectors"`
	Dirty  bool          `json:"dirty"`
	Key    string        `json:"key"` // as the kernel prints it
}

// A Ring is the journal of a cache of which nothing else was read.
type Ring struct {
	Geo superblock.Geometry
	Log *journal.Log
}

// OpenRing reads the whole ring of the cache whose superblock is s. A cache that was never registered has none: Log is
// nil then. Errors: those of superblock.NewGeometry, the context's; all other trouble is findings.
func OpenRing(ctx context.Context, r io.ReaderAt, s *ondisk.Super, o Options) (*Ring, error) {
	g, err := superblock.NewGeometry(s)
	if err != nil {
		return nil, err
	}
	ring := &Ring{Geo: g}
	if g.NJournal == 0 {
		ring.Geo.NJournal = superblock.JournalCount(s.Nbuckets)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var quiet finding.Collector
	sink := o.Sink
	if !s.Sync() {
		sink = quiet.Add // an empty ring is as it should be
	}
	log, err := journal.Scan(r, &ring.Geo, max(1, o.Workers), sink)
	if s.Sync() || err == nil {
		ring.Log = log
	}
	if !s.Sync() && err == nil {
		o.Sink(finding.About(finding.Super{}, syncCode(s), syncLost, log.Newest.Seq))
	}
	return ring, ctx.Err()
}

// Rows are the entries that the kernel would replay, oldest first; all: every entry that the ring holds, and every
// damaged one, by place.
func (r *Ring) Rows(all bool) iter.Seq2[JournalRow, error] {
	return func(yield func(JournalRow, error) bool) {
		if r.Log == nil {
			return
		}
		for _, row := range r.rows(all) {
			r.fill(&row)
			if !yield(row, nil) {
				return
			}
		}
	}
}

// rows are the rows as far as they are known without reading the entries again.
func (r *Ring) rows(all bool) (rows []JournalRow) {
	place := func(e journal.Entry) [2]uint64 { return [2]uint64{uint64(e.Ring), uint64(e.Offset)} }
	live := map[[2]uint64]bool{}
	for _, e := range r.Log.Live {
		live[place(e)] = true
		if !all {
			rows = append(rows, r.row(e, r.state(e, true)))
		}
	}
	if !all {
		return rows
	}
	for _, e := range r.Log.Entries {
		rows = append(rows, r.row(e, r.state(e, live[place(e)])))
	}
	for _, d := range r.Log.Damaged() {
		row := r.row(d.Entry, EntryDamaged)
		row.Trouble = d.Err.Error()
		rows = append(rows, row)
	}
	sort.Slice(rows, func(i, j int) bool {
		a, b := &rows[i], &rows[j]
		return 0 > cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Offset, b.Offset))
	})
	return rows
}

func (r *Ring) row(e journal.Entry, state string) JournalRow {
	return JournalRow{
		State: state, Seq: e.Seq, LastSeq: e.LastSeq, Bucket: r.Geo.FirstBucket + ondisk.Bucket(e.Ring),
		Offset: e.Offset, Bytes: e.Bytes, entry: e,
	}
}

func (r *Ring) state(e journal.Entry, live bool) string {
	n := r.Log.Newest
	switch {
	case live && n != nil && e.Seq == n.Seq:
		return EntryNewest
	case live:
		return EntryLive
	case n == nil || e.Seq > n.Seq:
		return EntryUnseen
	case e.Seq >= n.LastSeq && !slices.ContainsFunc(r.Log.Live, func(l journal.Entry) bool { return l.Seq == e.Seq }):
		return EntryUnseen
	}
	return EntryOld
}

// fill reads the entry for what its header leads to.
func (r *Ring) fill(row *JournalRow) {
	if row.State == EntryDamaged {
		return
	}
	j, err := r.Log.Read(row.entry)
	if err != nil {
		row.Trouble = err.Error()
	}
	if j == nil {
		return
	}
	row.Keys, row.Level = If(err == nil, len(j.Keys)), If(true, j.Level)
	at := func(k *ondisk.Bkey) Maybe[ondisk.Bucket] {
		return If(k.Ptrs() > 0, r.Geo.BucketOf(k.Ptr[0].Offset()))
	}
	row.Root, row.UUIDs = at(&j.BtreeRoot.Bkey), at(&j.UUIDBucket.Bkey)
	row.Prios = If(true, ondisk.Bucket(j.PrioBucket[r.Geo.ThisDev]))
}

// Keys are the keys of the entries that Rows shows, in the same order. Of an entry whose keys do not parse they are
// those before the bad one, and the ring's sink was not told: Rows says so.
func (r *Ring) Keys(all bool) iter.Seq2[JournalKeyRow, error] {
	return func(yield func(JournalKeyRow, error) bool) {
		if r.Log == nil {
			return
		}
		for _, row := range r.rows(all) {
			if row.State == EntryDamaged {
				continue
			}
			j, _ := r.Log.Read(row.entry)
			if j == nil {
				continue
			}
			for i := range j.Keys {
				k := &j.Keys[i]
				start := max(k.Offset(), k.Size()) - k.Size()
				if !yield(JournalKeyRow{j.Seq, i, k.Inode(), start, k.Size(), k.Dirty(), k.String()}, nil) {
					return
				}
			}
		}
	}
}
