// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"errors"
	"sort"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
	"bctl/prio"
	"bctl/superblock"
)

// A stump is what a device that became shorter has left behind its last whole bucket: where its end is not a bucket's,
// the first sectors of one. The dirty data among them go to a free bucket.
type stump struct {
	bucket ondisk.Bucket           // the one that is cut: the table has all before it
	end    ondisk.Sector           // of what can be read of it, a block's
	told   []ondisk.PrioEntry      // of it and those that are gone, as far as the prio chain tells of them
	raised map[ondisk.Bucket]uint8 // by pointers
	dirty  []ondisk.Bkey           // extents in it, as the tree or a leaf that nothing leads to has them

	settled bool // it is decided where they go
	moves   bool // false: nowhere, there is no room
	to      ondisk.Ptr
}

// findStump looks for it where the superblock counted more buckets than there are: else a pointer that leads there is
// damaged.
func (h *harvest) findStump() {
	g := h.c.Geo
	if uint64(g.NBuckets) >= h.w.counted {
		return
	}
	s := &stump{bucket: g.NBuckets, raised: map[ondisk.Bucket]uint8{}}
	s.end = h.readableTo(g.Start(s.bucket), min(ondisk.Sector(h.w.dev.Size/ondisk.SectorBytes), g.Start(s.bucket+1)))
	h.stump = s
	g.NBuckets = ondisk.Bucket(h.w.counted)
	prio.Follow(h.w.dev.R, &g, ondisk.Bucket(h.c.Journal.Newest.PrioBucket[g.ThisDev]), func(l prio.Link, data []ondisk.PrioEntry) {
		at := s.bucket + ondisk.Bucket(len(s.told))
		if at >= l.First && at-l.First < ondisk.Bucket(len(data)) {
			s.told = append(s.told, data[at-l.First:]...)
		}
	}, quiet)
	for id, i := range h.w.bad.codes {
		k := ondisk.Bkey{High: id.high, Low: id.low}
		if k.Ptr[0] = ondisk.Ptr(id.ptr); h.w.bad.names[i] == finding.EXPastEnd && h.beyond(&k) {
			s.note(&g, &k)
		}
	}
}

// beyond reports whether an extent leads behind the end of a device that had more buckets.
func (h *harvest) beyond(k *ondisk.Bkey) bool {
	if h.stump == nil || k.Ptrs() != 1 || k.Size() == 0 || k.Size() > k.Offset() || k.Ptr[0].Dev() != uint64(h.c.Geo.ThisDev) {
		return false
	}
	g := &h.c.Geo
	b := g.BucketOf(k.Ptr[0].Offset())
	return b >= h.stump.bucket && uint64(b) < h.w.counted && g.Remainder(k.Ptr[0].Offset())+k.Size() <= g.BucketSectors
}

// note takes an extent that leads behind the end into account.
func (s *stump) note(g *superblock.Geometry, k *ondisk.Bkey) {
	b, gen := g.BucketOf(k.Ptr[0].Offset()), k.Ptr[0].Gen()
	if ondisk.GenAfter(gen, s.gen(b)) > 0 { // registration takes the highest
		s.raised[b] = gen
	}
	if k.Dirty() && b == s.bucket {
		s.dirty = append(s.dirty, *k)
	}
}

// gen is a bucket's.
func (s *stump) gen(b ondisk.Bucket) uint8 {
	if gen, ok := s.raised[b]; ok {
		return gen
	}
	if i := b - s.bucket; i < ondisk.Bucket(len(s.told)) {
		return s.told[i].Gen
	}
	return 0
}

// stale reports whether an extent's bucket was handed out since: nobody misses that.
func (s *stump) stale(g *superblock.Geometry, k *ondisk.Bkey) bool {
	return ondisk.GenAfter(s.gen(g.BucketOf(k.Ptr[0].Offset())), k.Ptr[0].Gen()) > 0
}

// readableTo is how far the blocks from one on can be read, to an end at most.
func (h *harvest) readableTo(from, end ondisk.Sector) ondisk.Sector {
	block := h.c.Geo.BlockSectors
	for from+block <= end {
		if _, err := readAll(h.w.dev.R, from.Bytes(), int(block.Bytes())); err != nil {
			break
		}
		from += block
	}
	return from
}

// takeBeyond keeps of an extent that leads behind the end what is dirty, and there. It reports whether anything is.
func (h *harvest) takeBeyond(k *ondisk.Bkey) bool {
	s, g := h.stump, &h.c.Geo
	at := k.Ptr[0].Offset()
	switch {
	case s.stale(g, k):
		return false
	case !k.Dirty() || g.BucketOf(at) != s.bucket || at >= s.end || s.settled && !s.moves:
		h.w.lose(k, finding.EXPastEnd)
		return false
	case !s.settled:
		return false
	}
	if n := s.end - at; n < k.Size() {
		gone := *k
		gone.CutFront(k.Start() + n)
		h.w.lose(&gone, finding.EXPastEnd)
		k.CutBack(k.Start() + n)
	}
	k.Ptr[0] = ondisk.MakePtr(s.to.Gen(), s.to.Offset()+g.Remainder(at), uint64(g.ThisDev))
	if end := h.end(k.Inode(), ondisk.MaxKeyOffset); k.Offset() > end {
		gone := *k
		gone.CutFront(max(end, k.Start()))
		h.w.lose(&gone, finding.EXPastBacking)
		if k.Start() >= end {
			return false
		}
		k.CutBack(end)
	}
	k.ClearPads()
	return true
}

// makeRoom makes it for what the kernel needs to start, once it is known what moves. Errors: the device's, the spool's.
func (h *harvest) makeRoom() error {
	if err := h.moveStump(); err != nil {
		return err
	}
	_, err := h.tx.MakeRoom()
	return err
}

// moveStump has the dirty data of the cut bucket written to a free one, where there is one. Gens are settled when it is
// called. Errors: the device's, the spool's.
func (h *harvest) moveStump() error {
	s, g := h.stump, &h.c.Geo
	if s == nil {
		return nil
	}
	s.settled = true
	rs := s.ranges(g)
	if len(rs) == 0 || h.w.full {
		return nil
	}
	_, err := h.tx.MakeRoomFor(1)
	if err != nil {
		return err
	}
	got, err := h.tx.Allocate(1)
	if errors.Is(err, change.ErrNoSpace) {
		h.w.full = true
		h.w.saw("no bucket is free for the dirty data in bucket %d, which the device's end cuts", s.bucket)
		return nil
	}
	if err != nil {
		return err
	}
	b := got[0]
	h.tx.SetPrio(b, ondisk.InitialPrio)
	s.to, s.moves = ondisk.MakePtr(h.tx.Gen(b), g.Start(b), uint64(g.ThisDev)), true
	const most ondisk.Sector = 2048 // in memory at a time
	n := ondisk.Sector(0)
	for _, r := range rs {
		for at := r.from; at < r.to; at += most {
			data, err := readAll(h.w.dev.R, at.Bytes(), int(min(most, r.to-at).Bytes()))
			if err != nil {
				return err
			}
			if err := h.tx.PutData(b, g.Remainder(at), data, "dirty data"); err != nil {
				return err
			}
		}
		n += r.to - r.from
	}
	if len(s.told) == 0 || h.base.older {
		for i := range s.dirty {
			h.w.dubious.add(b, &s.dirty[i])
		}
	}
	h.w.saw("bucket %d, which the device's end cuts: %d sectors of dirty data go to bucket %d", s.bucket, n, b)
	return nil
}

// A stretch is sectors of the device.
type stretch struct{ from, to ondisk.Sector }

// ranges are the sectors of the dirty data that are there, joined and in order.
func (s *stump) ranges(g *superblock.Geometry) []stretch {
	var all []stretch
	for i := range s.dirty {
		from := s.dirty[i].Ptr[0].Offset()
		if to := min(from+s.dirty[i].Size(), s.end); from < to && !s.stale(g, &s.dirty[i]) {
			all = append(all, stretch{from, to})
		}
	}
	return join(all)
}

// join are stretches in order, those that meet or touch as one.
func join(all []stretch) (out []stretch) {
	sort.Slice(all, func(i, j int) bool { return all[i].from < all[j].from })
	for _, r := range all {
		if n := len(out); n > 0 && r.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, r.to)
			continue
		}
		out = append(out, r)
	}
	return out
}
