// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/disk/signature"
	"bctl/internal/finding"
	"bctl/prio"
	"bctl/superblock"
)

// kind is what is expected in a piece. What stands there says it too, and is believed first.
type kind uint8

const (
	headPiece kind = iota
	ringPiece
	prioPiece
	uuidPiece
	nodePiece
	tracePiece // a signature of something else, or nothing
)

// A piece is a run of a device's bytes that goes into the image.
type piece struct {
	off, n int64
	kind   kind
	gen    uint8    // of its bucket
	from   *reading // nil of heads and traces
}

func (p *piece) end() int64 { return p.off + p.n }

// A reading is a cache as one superblock leads to it.
type reading struct {
	c       *inspect.Cache
	g       superblock.Geometry
	version uint32 // of the newest journal entry
	scrub   scrub
}

// headBytes are the superblock and what is before it.
const headBytes = ondisk.SuperOffset + ondisk.SuperSize

// traceBytes is how far the journal of a cache with a damaged superblock is sought.
const traceBytes = 1 << 30

// A collector gathers the pieces of one device.
type collector struct {
	ctx    context.Context
	o      *Options
	dev    *Source
	pieces []piece
	marks  []signature.Found
}

// add notes a piece, unless all of it is there already. What of it is there is not there twice.
func (c *collector) add(p piece) {
	if skip := p.off % ondisk.SectorBytes; skip != 0 || p.n%ondisk.SectorBytes != 0 { // no structure
		p.off, p.n, p.kind = p.off-skip, (p.n+skip+ondisk.SectorBytes-1)/ondisk.SectorBytes*ondisk.SectorBytes, tracePiece
	}
	if p.off < 0 || p.n <= 0 || p.end() > c.dev.Size {
		return
	}
	at, _ := slices.BinarySearchFunc(c.pieces, p.off, func(q piece, off int64) int { return cmp.Compare(q.end()-1, off) })
	for p.n > 0 && at < len(c.pieces) && c.pieces[at].off < p.end() {
		q := c.pieces[at]
		if q.off > p.off { // what is before it is a piece of its own, of which nobody knows where it begins
			front := p
			front.n, front.kind = q.off-p.off, p.kind
			c.pieces = slices.Insert(c.pieces, at, front)
			at++
		}
		p.n -= min(p.n, q.end()-p.off)
		p.off, p.kind = q.end(), tracePiece
		at++
	}
	if p.n > 0 {
		c.pieces = slices.Insert(c.pieces, at, p)
	}
}

// cache gathers what is read of a cache.
func (c *collector) cache() error {
	s, err := superblock.Read(c.dev.R)
	if err != nil {
		return err
	}
	c.add(piece{off: 0, n: headBytes, kind: headPiece})
	if c.o.Sanitize {
		c.o.masks.maskOf(s.SetUUID) // before the magics, which know its first half
	}
	damaged := slices.ContainsFunc(superblock.Check(s, superblock.Device{Size: c.dev.Size, LogicalBlock: c.dev.LogicalBlock}), func(f superblock.Fault) bool {
		return finding.Lookup(f.Code).Severity == finding.Damage
	})
	if damaged { // first what the rest of the metadata tell
		if err := c.traced(s); err != nil {
			return err
		}
	}
	if err := c.read(s); err != nil {
		return err
	}
	c.signatures()
	c.settle()
	return c.ctx.Err()
}

// traced reads the cache by the superblock that its metadata imply.
func (c *collector) traced(s *ondisk.Super) error {
	t, err := superblock.FindTrace(c.ctx, c.dev.R, c.dev.Size, min(c.dev.Size, traceBytes), 0)
	if err != nil {
		return c.ctx.Err()
	}
	told, err := t.Super(c.dev.Size, s.UUID, s.SetUUID)
	if err != nil {
		return nil
	}
	return c.read(told)
}

// read reads the cache that s leads to, and takes what was read.
func (c *collector) read(s *ondisk.Super) error {
	rec := record(c.dev.R)
	rec.all = c.o.unread
	cache, err := inspect.Open(c.ctx, rec, s, inspect.Options{Size: c.dev.Size, Small: true, Workers: c.o.Workers, Progress: c.o.Progress, Sink: func(finding.Finding) {}})
	if err != nil {
		return c.ctx.Err() // fsck has no sizes either
	}
	r := &reading{c: cache, g: cache.Geo, version: 1}
	if r.g.NJournal == 0 {
		r.g.NJournal = superblock.JournalCount(s.Nbuckets)
	}
	if cache.Journal != nil && cache.Journal.Newest != nil {
		r.version = cache.Journal.Newest.Version
	}
	r.scrub = scrub{g: &r.g, masks: c.o.masks, odd: c.o.odd}
	if c.o.Sanitize {
		r.scrub.magic = c.o.masks.magic(r.g.SetMagic)
	}
	c.structures(r, rec)
	if cache.Journal != nil {
		if err := c.olderStates(r); err != nil {
			return err
		}
	}
	if cache.Journal != nil && !cache.Tree.Intact {
		return c.orphans(r)
	}
	return nil
}

// structures takes the journal, and what else was read. Of whatever could not be read nothing is taken.
func (c *collector) structures(r *reading, rec *recorder) {
	first, last := r.g.Start(r.g.FirstBucket).Bytes(), r.g.Start(r.g.FirstBucket+ondisk.Bucket(r.g.NJournal)).Bytes()
	reads := make([]extent, 0, len(rec.seen))
	rings := map[ondisk.Bucket]bool{}
	for e := range rec.seen {
		if e.off >= first && e.off < last {
			rings[r.g.BucketOf(ondisk.Sector(e.off/ondisk.SectorBytes))] = true
		} else {
			reads = append(reads, e)
		}
	}
	for b := range rings {
		c.add(piece{off: r.g.Start(b).Bytes(), n: r.g.BucketSectors.Bytes(), kind: ringPiece, from: r})
	}
	heads := map[int64]kind{}
	for _, l := range r.c.Chain.Links {
		heads[r.g.Start(l.Bucket).Bytes()] = prioPiece
	}
	if j := r.c.Journal; j != nil && j.Newest != nil {
		heads[j.Newest.UUIDBucket.Ptr[0].Offset().Bytes()] = uuidPiece
	}
	slices.SortFunc(reads, func(a, b extent) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.off, b.off)) })
	for _, e := range reads { // the longest first: a bucket that is said to be two things is all there
		k, ok := heads[e.off]
		if !ok || e.n != r.g.MetaSectors.Bytes() {
			k = nodePiece
		}
		if k == uuidPiece && c.o.Sanitize {
			c.olderTable(r, ondisk.Sector(e.off/ondisk.SectorBytes), r.version)
			continue
		}
		c.add(piece{off: e.off, n: e.n, kind: k, from: r})
	}
}

// olderStates takes what older journal entries lead to, as far as it stands: what was lost may be found there.
func (c *collector) olderStates(r *reading) error {
	rd := btree.NewReader(c.dev.R, &r.g, func(finding.Finding) {})
	type lead struct {
		at    ondisk.Sector
		level int
	}
	tried := map[lead]bool{}
	for _, e := range r.c.Journal.BySeq() {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		j, _ := r.c.Journal.Read(e)
		if j == nil {
			continue
		}
		if l := (lead{j.UUIDBucket.Ptr[0].Offset(), -1}); !tried[l] && journal.UUIDFault(&r.g, &j.UUIDBucket.Bkey) == "" {
			tried[l] = true
			c.olderTable(r, l.at, j.Version)
		}
		if l := (lead{ondisk.Sector(j.PrioBucket[r.g.ThisDev]), -2}); !tried[l] {
			tried[l] = true
			c.olderChain(r, ondisk.Bucket(l.at))
		}
		if l := (lead{j.BtreeRoot.Ptr[0].Offset(), int(j.Level)}); !tried[l] && journal.RootFault(&r.g, &j.BtreeRoot.Bkey) == "" {
			tried[l] = true
			c.olderNode(r, rd, j.BtreeRoot.Bkey, int(j.Level))
		}
	}
	return nil
}

// holdsData reports whether the tree leads to data in a bucket: what stood there before is gone, however much what is
// there looks like it.
func (r *reading) holdsData(b ondisk.Bucket) bool {
	t := r.c.Buckets
	return r.c.Journal != nil && b < t.Len() && (t.Mark(b) == inspect.Dirty || t.Mark(b) == inspect.Clean)
}

// olderTable takes a uuid bucket, unless it cannot be one: then it may be a user's data.
func (c *collector) olderTable(r *reading, at ondisk.Sector, version uint32) {
	b := make([]byte, r.g.MetaSectors.Bytes())
	if !r.holdsData(r.g.BucketOf(at)) && full.ReadAt(c.dev.R, b, at.Bytes()) == nil && (isTable(b, version) || !c.o.Sanitize) {
		c.add(piece{off: at.Bytes(), n: r.g.MetaSectors.Bytes(), kind: uuidPiece, from: r})
	}
}

func (c *collector) olderChain(r *reading, b ondisk.Bucket) {
	for range r.g.PrioBuckets() {
		if !r.g.Contains(b) || r.holdsData(b) {
			return
		}
		set, err := prio.Read(c.dev.R, &r.g, b)
		if err != nil {
			return
		}
		c.add(piece{off: r.g.Start(b).Bytes(), n: r.g.MetaSectors.Bytes(), kind: prioPiece, from: r})
		b = ondisk.Bucket(set.NextBucket)
	}
}

// olderNode takes a node that its pointer's checksum proves, and those below it.
func (c *collector) olderNode(r *reading, rd *btree.Reader, key ondisk.Bkey, level int) {
	p := key.Ptr[0]
	if key.Ptrs() != 1 || level < 0 || level > 10 || !r.g.Contains(r.g.BucketOf(p.Offset())) || r.g.Remainder(p.Offset()) != 0 || r.holdsData(r.g.BucketOf(p.Offset())) {
		return
	}
	key.SetSize(r.g.NodeSectors)
	n := rd.Read(key, level)
	if len(n.Sets) == 0 {
		return
	}
	before := len(c.pieces)
	c.add(piece{off: p.Offset().Bytes(), n: r.g.NodeSectors.Bytes(), kind: nodePiece, from: r})
	if level == 0 || len(c.pieces) == before { // it and what is below it are there
		return
	}
	for _, k := range n.Children() {
		c.olderNode(r, rd, k, level-1)
	}
}

// orphans takes nodes that nothing leads to: those of a tree that has lost some may hold what it lacks.
func (c *collector) orphans(r *reading) error {
	head := make([]byte, ondisk.BsetBytes)
	for b := r.g.FirstBucket; b < r.g.NBuckets; b++ {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if _, err := c.dev.R.ReadAt(head, r.g.Start(b).Bytes()); err != nil && !errors.Is(err, io.EOF) {
			continue
		}
		if h, err := ondisk.DecodeBsetHeader(head); err == nil && h.Seq != 0 && h.CheckMagic(r.g.SetMagic) == nil {
			c.add(piece{off: r.g.Start(b).Bytes(), n: r.g.NodeSectors.Bytes(), kind: nodePiece, from: r})
		}
	}
	return nil
}

// content is what stands in a piece, by its magic; what is expected there where that tells nothing.
func (p *piece) content(b []byte) kind {
	if p.from == nil || len(b) < ondisk.PrioSetBytes {
		return p.kind
	}
	h, err := ondisk.DecodeBsetHeader(b)
	switch {
	case p.kind == tracePiece:
	case err == nil && h.Seq != 0 && h.CheckMagic(p.from.g.SetMagic) == nil:
		return nodePiece
	case ondisk.PrioSetHasMagic(b, p.from.g.SetMagic):
		return prioPiece
	}
	return p.kind
}

// signatures takes what else the device may be taken for: of each signature its magic.
func (c *collector) signatures() {
	found, err := signature.Probe(c.dev.R, c.dev.Size)
	if err != nil {
		return // fsck says nothing of it either
	}
	for _, f := range found {
		if f.Offset == ownMagic {
			continue
		}
		c.marks = append(c.marks, f)
		first := f.Offset / ondisk.SectorBytes * ondisk.SectorBytes
		last := (f.Offset + int64(f.Length) + ondisk.SectorBytes - 1) / ondisk.SectorBytes * ondisk.SectorBytes
		c.add(piece{off: first, n: last - first, kind: tracePiece, from: nil})
	}
}

// ownMagic is where a superblock's magic stands.
const ownMagic = ondisk.SuperOffset + 24

// traces puts the magics of other things into b, which stands at byte off of the device and is zero there. Of anything
// else before a superblock the place of the first byte stays.
func (c *collector) traces(old, b []byte, off int64) {
	named := false
	for _, f := range c.marks {
		named = named || f.Offset < ondisk.SuperOffset
		for i := range int64(f.Length) {
			if at := f.Offset + i - off; at >= 0 && at < int64(len(b)) {
				b[at] = old[at]
			}
		}
	}
	if off > 0 || named {
		return
	}
	for i, was := range old[:min(len(old), int(ondisk.SuperOffset))] {
		if was != 0 {
			b[i] = 0xff
			return
		}
	}
}

// scrubbed is what goes into the image of b, which stands in p.
func (c *collector) scrubbed(p *piece, b []byte) []byte {
	switch p.kind {
	case headPiece:
		out := make([]byte, len(b))
		s := scrub{masks: c.o.masks}
		copy(out[ondisk.SuperOffset:], s.super(b[ondisk.SuperOffset:]))
		c.traces(b[:ondisk.SuperOffset], out[:ondisk.SuperOffset], p.off)
		return out
	case tracePiece:
		out := make([]byte, len(b))
		c.traces(b, out, p.off)
		return out
	}
	switch s := &p.from.scrub; p.content(b) {
	case ringPiece:
		return s.ring(b)
	case prioPiece:
		return s.prios(b)
	case uuidPiece:
		return s.table(b, p.from.version)
	case nodePiece:
		at := ondisk.Sector(p.off / ondisk.SectorBytes)
		return s.node(b, s.parentOf(b, at, p.gen))
	}
	return make([]byte, len(b))
}
