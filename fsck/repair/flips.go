// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
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
	if rep == nil || !w.asks(rep, finding.Journal, finding.PrioChain, finding.Btree) {
		return false, nil
	}
	s, err := w.super()
	if err != nil || s.IsBacking() {
		return false, err
	}
	c, err := w.asIs(s)
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
		if at := flippedAt(f); at != 0 && !seen[at] && w.ctx.Err() == nil {
			seen[at] = true
			node, _ := damagedNode(f)
			did = w.flippedBset(c, at, node.Level) || did
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

// mostEntries are sought for more than a run of bits.
const mostEntries = 32

// flippedEntries corrects journal entries that are live or newer than the newest that is found.
func (w *Work) flippedEntries(c *inspect.Cache) (did bool) {
	oldest := uint64(0)
	if c.Journal != nil && c.Journal.Newest != nil {
		oldest = c.Journal.Newest.LastSeq
	}
	tried := 0
	for _, at := range journal.Broken(w.dev.R, &c.Geo) {
		b, err := readAll(w.dev.R, at.Sector.Bytes(), int(at.Bytes))
		if err != nil {
			continue
		}
		good := ondisk.MendJset(b, c.Geo.SetMagic)
		if seq := ondisk.JsetNumbers(b).Seq; good == nil && tried < mostEntries && (seq >= oldest || oldest-seq > nearSeq) {
			tried++
			good = soughtJset(c, b)
		}
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
func (w *Work) flippedBset(c *inspect.Cache, at ondisk.Sector, level int) bool {
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
	raw := node[(at - start).Bytes():]
	good := ondisk.MendBset(raw, first.Seq, c.Geo.SetMagic, parent)
	if good == nil {
		good = soughtBset(c, raw, first.Seq, parent, level)
	}
	if good == nil || bytes.Equal(good, raw[:min(len(good), len(raw))]) {
		return false // what is wrong with it fits its checksum
	}
	w.saw("btree node at bucket %d, sector %d: corrected", b, at)
	w.patch(0, at.Bytes(), good, "bset")
	return true
}
