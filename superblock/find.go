// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"context"
	"errors"
	"io"
	"slices"
	"sort"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/disk/signature"
)

// A Place is where on a disk a bcache device begins: its superblock stands 4096 bytes on, or stood there.
type Place struct {
	Start  int64         // bytes
	Proven bool          // the superblock, or the btree root's checksum, tells Start; else it is not known
	Super  *ondisk.Super // nil: lost
	Trace  *Trace        // where the superblock is lost: what the journal tells; its sectors count from Start if that is proven
}

// mostSets bounds how many lost caches are followed at once: what is no journal may look like one.
const mostSets = 16

// rootSpan is how far before its first entry a journal's cache is sought: 257 buckets of 16 MiB.
const rootSpan = 4 << 30

// Find reads the first limit bytes of a disk of size bytes for superblocks at any sector, and for journals whose
// superblock is lost. done tells how far it is; nil: nobody is told. Errors: the context's, r's where nothing at all
// could be read.
func Find(ctx context.Context, r io.ReaderAt, size, limit int64, done func(bytes int64)) ([]Place, error) {
	var places []Place
	traces := map[uint64]*Trace{}
	buf := make([]byte, scanWindow+ondisk.MaxJsetBytes)
	var failed error
	read := false
	for off := int64(0); off < min(limit, size); off += scanWindow {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			failed = err
		}
		read = read || n > 0
		for at := 0; at < min(n, scanWindow); at += ondisk.SectorBytes {
			pos := off + int64(at)
			if s := superAt(buf[at:n]); s != nil && pos >= ondisk.SuperOffset {
				places = append(places, Place{Start: pos - ondisk.SuperOffset, Proven: true, Super: s})
			}
			noteEntry(traces, buf[at:n], pos)
		}
		if done != nil {
			done(int64(min(n, scanWindow)))
		}
	}
	if !read && failed != nil {
		return nil, failed
	}
	for _, t := range traces {
		if slices.ContainsFunc(places, func(p Place) bool { return p.of(t) && p.holds(t) }) {
			places = slices.DeleteFunc(places, func(p Place) bool { return p.of(t) && !p.holds(t) }) // copies of it
			continue
		}
		p := Place{Trace: t}
		if p.Start, p.Proven = t.start(ctx, r, size); p.Proven {
			inside := io.NewSectionReader(r, p.Start, size-p.Start)
			if again, err := FindTrace(ctx, inside, inside.Size(), t.LastEntry.Bytes()-p.Start+scanWindow, t.SetMagic); err == nil {
				p.Trace = again
			}
			places = slices.DeleteFunc(places, func(o Place) bool { return o.of(t) && o.Start != p.Start }) // likewise
		}
		if !slices.ContainsFunc(places, func(o Place) bool { return o.of(t) }) { // else its superblock is there
			places = append(places, p)
		}
	}
	sort.Slice(places, func(i, j int) bool {
		a, b := &places[i], &places[j]
		if a.Proven != b.Proven {
			return a.Proven
		}
		return a.Start < b.Start
	})
	return places, ctx.Err()
}

// of reports whether a superblock is that of the cache whose journal t is of, or a copy of it.
func (p *Place) of(t *Trace) bool {
	return p.Super != nil && p.Super.SetMagic() == t.SetMagic && !p.Super.IsBacking()
}

// holds reports whether the ring that a superblock tells of has an end of a journal.
func (p *Place) holds(t *Trace) bool {
	from := p.Start + (ondisk.Sector(p.Super.FirstBucket) * BucketSectors(p.Super)).Bytes()
	to := from + (ondisk.Sector(p.Super.Keys) * BucketSectors(p.Super)).Bytes()
	in := func(at ondisk.Sector) bool { return at.Bytes() >= from && at.Bytes() < to }
	return in(t.FirstEntry) || in(t.LastEntry)
}

// superAt is the superblock at the start of b, or nil: one that its checksum confirms.
func superAt(b []byte) *ondisk.Super {
	if len(b) < ondisk.SuperSize || [16]byte(b[24:40]) != ondisk.SuperMagic || signature.EarlyBcachefs(b) {
		return nil
	}
	s, err := ondisk.DecodeSuper(b[:ondisk.SuperSize])
	if err != nil || s.Offset != uint64(ondisk.SuperSector) || s.Csum != s.Checksum() {
		return nil
	}
	return s
}

// noteEntry keeps the entry at the start of b, if there is one, with those of its set.
func noteEntry(traces map[uint64]*Trace, b []byte, pos int64) {
	if len(b) < ondisk.JsetBytes {
		return
	}
	met := &Trace{}
	j := met.entry(b)
	if j == nil {
		return
	}
	t := traces[met.SetMagic]
	if t == nil {
		if len(traces) == mostSets {
			return
		}
		t = &Trace{SetMagic: met.SetMagic, BlockSectors: ondisk.PageSectors}
		traces[met.SetMagic] = t
	}
	t.note(j, pos, 0)
}

// start is where on r the cache begins whose journal t is of: the checksum of a btree node starts with the pointer that
// leads to it, so a root that stands anywhere proves by how much all is shifted.
func (t *Trace) start(ctx context.Context, r io.ReaderAt, size int64) (start int64, ok bool) {
	for _, root := range slices.Backward(t.roots) {
		if rootAt(r, root.Ptr[0].Offset().Bytes(), &root, t.SetMagic) {
			return 0, true
		}
	}
	if t.bucketSize(r, size); t.PrioProven {
		return 0, true
	}
	last := t.FirstEntry.Bytes() - ondisk.SuperOffset - ondisk.SuperSize
	for _, root := range slices.Backward(t.roots) {
		if at := root.Ptr[0].Offset().Bytes(); ctx.Err() == nil {
			if start, ok := t.sweep(r, &root, at, max(0, last-rootSpan), last, size); ok {
				return start, true
			}
		}
	}
	return 0, false
}

// sweep looks for a root with the pointer of root at at + start, for each start from last down to first.
func (t *Trace) sweep(r io.ReaderAt, root *ondisk.Bkey, at, first, last, size int64) (int64, bool) {
	buf := make([]byte, scanWindow+ondisk.BsetBytes)
	for to := last; to >= first; to -= scanWindow {
		from := max(first, to-scanWindow+ondisk.SectorBytes)
		if at+from >= size {
			continue
		}
		n, _ := r.ReadAt(buf[:min(to-from+ondisk.SectorBytes, size-at-from)], at+from)
		for i := (n - ondisk.SectorBytes) / ondisk.SectorBytes * ondisk.SectorBytes; i >= 0; i -= ondisk.SectorBytes {
			h, err := ondisk.DecodeBsetHeader(buf[i:])
			if err == nil && h.CheckMagic(t.SetMagic) == nil && rootAt(r, at+from+int64(i), root, t.SetMagic) {
				return firstSet(r, root, t.SetMagic, at, from+int64(i)), true
			}
		}
	}
	return 0, false
}

// firstSet is the start by the first bset of a node, where start is one by any of them: all have the pointer in their
// checksums.
func firstSet(r io.ReaderAt, root *ondisk.Bkey, setMagic uint64, at, start int64) int64 {
	lowest := max(0, start-root.Size().Bytes())
	for s := start - ondisk.SectorBytes; s >= lowest; s -= ondisk.SectorBytes {
		if rootAt(r, at+s, root, setMagic) {
			start = s
		}
	}
	return start
}

// rootAt reports whether the node that root points to stands at a byte of r.
func rootAt(r io.ReaderAt, at int64, root *ondisk.Bkey, setMagic uint64) bool {
	head := make([]byte, ondisk.BsetBytes)
	if full.ReadAt(r, head, at) != nil {
		return false
	}
	h, err := ondisk.DecodeBsetHeader(head)
	if err != nil || h.Version != ondisk.BsetVersion || h.CheckMagic(setMagic) != nil || h.Bytes() > root.Size().Bytes() {
		return false
	}
	b := make([]byte, h.Bytes())
	return full.ReadAt(r, b, at) == nil && h.CheckSum(b, root.Ptr[0]) == nil
}
