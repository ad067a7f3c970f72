// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"encoding/binary"
	"errors"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// mendFlips corrects what few bits are wrong with: journal entries, prio sets, bsets. Each is corrected in place, in
// the sectors that are damaged: all of it is as it was written, so nothing can be lost by it.
func mendFlips(w *Work, rep *fsck.Report) (bool, error) {
	if rep == nil {
		return false, nil
	}
	s, err := w.super()
	if err != nil || s.IsBacking() {
		return false, err
	}
	c, err := inspect.Open(w.ctx, w.dev.R, s, inspect.Options{Size: w.dev.Size, Workers: w.o.Workers, Sink: func(finding.Finding) {}})
	if err != nil {
		return false, w.ctx.Err() // fsck says why it has no sizes
	}
	did := w.flippedEntries(c)
	if c.Journal == nil || c.Journal.Newest == nil {
		return did, w.ctx.Err()
	}
	for _, l := range c.Chain.Links {
		did = w.flippedPrios(c, l.Bucket) || did
	}
	seen := map[ondisk.Sector]bool{}
	for _, f := range rep.Findings {
		if at := flippedAt(f); at != 0 && !seen[at] {
			seen[at] = true
			did = w.flippedBset(c, at) || did
		}
	}
	return did, w.ctx.Err()
}

// flippedAt is the sector of the bset that a finding is about, or 0.
func flippedAt(f finding.Finding) ondisk.Sector {
	switch f.Code {
	case finding.BTHeader, finding.BTVersion, finding.BTMagic, finding.BTChecksum:
		if f.Sector != nil {
			return ondisk.Sector(*f.Sector)
		}
	}
	return 0
}

// flippedEntries corrects journal entries that are live or newer than the newest that is found.
func (w *Work) flippedEntries(c *inspect.Cache) (did bool) {
	oldest := uint64(0)
	if c.Journal != nil && c.Journal.Newest != nil {
		oldest = c.Journal.Newest.LastSeq
	}
	for _, at := range journal.Broken(w.dev.R, &c.Geo) {
		b, err := readAll(w.dev.R, at.Sector.Bytes(), int(at.Bytes))
		if err != nil {
			continue
		}
		good := mendJset(b, c.Geo.SetMagic)
		if good == nil {
			continue
		}
		if j := ondisk.JsetNumbers(good); j.Seq >= oldest {
			w.saw("journal entry %d, sector %d: corrected", j.Seq, at.Sector)
			did = true
			w.patch(0, at.Sector.Bytes(), good, "journal entry")
		}
	}
	return did
}

// mendJset is the journal entry at the start of b as it was written, or nil.
func mendJset(b []byte, setMagic uint64) []byte {
	for _, keys := range lengths(binary.LittleEndian.Uint32(b[28:]), (len(b)-ondisk.JsetBytes)/8) {
		size := ondisk.JsetBytes + 8*int(keys)
		try := append([]byte(nil), b[:size]...)
		binary.LittleEndian.PutUint32(try[28:], keys)
		ondisk.PutJsetMagic(try, setMagic)
		if _, err := ondisk.DecodeJset(try, setMagic); err == nil {
			return try
		}
	}
	size := ondisk.JsetSize(b)
	if size > int64(len(b)) {
		return nil
	}
	if good, ok := ondisk.Mend(b[:size]); ok {
		if _, err := ondisk.DecodeJset(good, setMagic); err == nil {
			return good
		}
	}
	return nil
}

// lengths are what a damaged count of words may have been: as it is, or but for a bit or a byte, up to most.
func lengths(n uint32, most int) (out []uint32) {
	add := func(v uint32) {
		if int64(v) <= int64(most) {
			out = append(out, v)
		}
	}
	add(n)
	for i := range 4 {
		for v := range uint32(256) {
			if m := n&^(0xff<<(8*i)) | v<<(8*i); m != n {
				add(m)
			}
		}
	}
	return out
}

// flippedPrios corrects the prio set in bucket b.
func (w *Work) flippedPrios(c *inspect.Cache, b ondisk.Bucket) bool {
	at := c.Geo.Start(b).Bytes()
	raw, err := readAll(w.dev.R, at, int(c.Geo.MetaSectors.Bytes()))
	if err != nil {
		return false
	}
	_, err = ondisk.DecodePrioSet(raw, c.Geo.SetMagic)
	switch {
	case errors.Is(err, ondisk.ErrChecksum):
		good, ok := ondisk.Mend(raw)
		if !ok {
			return false
		}
		if _, err := ondisk.DecodePrioSet(good, c.Geo.SetMagic); err != nil {
			return false
		}
		w.saw("prio set in bucket %d: corrected", b)
		w.patch(0, at, good, "prio set")
		return true
	}
	return false
}

// flippedBset corrects the bset at a sector. Its node's pointer has the gen that the bucket has by now: following it
// is what raised that.
func (w *Work) flippedBset(c *inspect.Cache, at ondisk.Sector) bool {
	b := c.Geo.BucketOf(at)
	start := c.Geo.Start(b)
	if !c.Geo.Contains(b) || at-start >= c.Geo.NodeSectors {
		return false
	}
	node, err := readAll(w.dev.R, start.Bytes(), int(c.Geo.NodeSectors.Bytes()))
	if err != nil {
		return false
	}
	parent := ondisk.MakePtr(c.Buckets.Gen(b), start, uint64(c.Geo.ThisDev))
	first := ondisk.BsetHeader{}
	if at > start {
		first, _ = ondisk.DecodeBsetHeader(node)
	}
	good := mendBset(node[(at-start).Bytes():], first.Seq, c.Geo.SetMagic, parent)
	if good == nil {
		return false
	}
	w.saw("btree node at bucket %d, sector %d: corrected", b, at)
	w.patch(0, at.Bytes(), good, "bset")
	return true
}

// mendBset is the bset at the start of b as it was written, or nil. seq is its node's, 0 for the first.
func mendBset(b []byte, seq, setMagic uint64, parent ondisk.Ptr) []byte {
	h, err := ondisk.DecodeBsetHeader(b)
	if err != nil {
		return nil
	}
	right := func(try []byte) bool {
		s, err := ondisk.DecodeBset(try, setMagic, parent)
		return err == nil && s.Version <= ondisk.BsetVersion && s.Seq != 0 && (seq == 0 || s.Seq == seq)
	}
	for _, keys := range lengths(h.Keys, (len(b)-ondisk.BsetBytes)/8) {
		size := ondisk.BsetBytes + 8*int(keys)
		try := append([]byte(nil), b[:size]...)
		binary.LittleEndian.PutUint32(try[28:], keys)
		ondisk.PutBsetMagic(try, setMagic)
		if right(try) {
			return try
		}
	}
	if h.Bytes() > int64(len(b)) {
		return nil
	}
	for _, mend := range []func([]byte) ([]byte, bool){
		func(b []byte) ([]byte, bool) { return ondisk.MendSeeded(uint64(parent), b) },
		ondisk.Mend,
	} {
		if good, ok := mend(b[:h.Bytes()]); ok && right(good) {
			return good
		}
	}
	return nil
}
