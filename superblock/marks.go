// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
)

// Where superblock and journal are both gone, the btree's nodes and the prio sets are what is left. A node's checksum
// starts with the pointer that leads to it, and so with its own place; a prio set is checked over the whole of a
// metadata bucket. Both carry the set's magic.

// nodeGens is how many gens a pointer may have.
const nodeGens = 256

// mostFalse is how many blocks may look like a node and be none, before it is believed that there is no cache.
const mostFalse = 10000

// FindMarks tells what btree nodes and prio sets say of a lost superblock: of the cache that begins at byte 0 of r, which
// is size bytes long. Without a prio set no bucket size is told. Errors: ErrNoTrace, the context's, r's only where nothing
// at all could be read. done tells how far it is; nil: nobody is told.
func FindMarks(ctx context.Context, r io.ReaderAt, size int64, done func(bytes int64)) (*Trace, error) {
	t := &Trace{BlockSectors: ondisk.PageSectors}
	r = full.Known(r)
	buf := make([]byte, scanWindow)
	var failed error
	known, wrong := false, 0
	for off := int64(0); off < size && wrong < mostFalse; off += scanWindow {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := r.ReadAt(buf[:min(scanWindow, size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			failed = err
		}
		for at := 0; at+ondisk.SectorBytes <= n && wrong < mostFalse; at += ondisk.SectorBytes {
			b, pos := buf[at:n], off+int64(at)
			switch h, err := ondisk.DecodeBsetHeader(b); {
			case err != nil || pos < ondisk.SuperOffset+ondisk.SuperSize:
			case known && h.CheckMagic(t.SetMagic) == nil:
				t.align(ondisk.Sector(pos / ondisk.SectorBytes))
			case !known && pos%ondisk.Sector(ondisk.PageSectors).Bytes() == 0 && mayBeNode(h):
				if known = isNode(r, h, pos); known {
					t.SetMagic = ondisk.BsetSetMagic(b)
				} else {
					wrong++
				}
			}
			if t.BucketSectors == 0 && known {
				t.prioSet(r, b, pos)
			}
		}
		if done != nil {
			done(int64(n))
		}
	}
	switch {
	case !known && failed != nil:
		return nil, failed
	case !known:
		return nil, fmt.Errorf("%w, and no btree node", ErrNoTrace)
	}
	if t.BucketSectors == 0 { // a set may stand before the first node
		for off := int64(0); off < size && t.BucketSectors == 0; off += scanWindow {
			n, _ := r.ReadAt(buf[:min(scanWindow, size-off)], off)
			for at := 0; at+ondisk.SectorBytes <= n && t.BucketSectors == 0; at += ondisk.SectorBytes {
				t.prioSet(r, buf[at:n], off+int64(at))
			}
		}
	}
	return t, ctx.Err()
}

// mayBeNode is whether a header is worth its checksum.
func mayBeNode(h ondisk.BsetHeader) bool {
	return h.Version == ondisk.BsetVersion && h.Seq != 0 && h.Magic != 0 && h.Bytes() <= maxMetaSectors.Bytes()
}

// isNode reports whether the first bset of a node stands at a byte of r, for a pointer of any gen.
func isNode(r io.ReaderAt, h ondisk.BsetHeader, at int64) bool {
	b := make([]byte, h.Bytes())
	if full.ReadAt(r, b, at) != nil {
		return false
	}
	for gen := range nodeGens {
		if h.CheckSum(b, ondisk.MakePtr(uint8(gen), ondisk.Sector(at/ondisk.SectorBytes), 0)) == nil {
			return true
		}
	}
	return false
}

// align keeps the largest block that all bsets stand on.
func (t *Trace) align(at ondisk.Sector) {
	for t.BlockSectors > 1 && at%t.BlockSectors != 0 {
		t.BlockSectors /= 2
	}
}

// prioSet takes the bucket size from a prio set at the start of b, which stands at a byte of r, if there is one: its
// checksum is over a metadata bucket, which is a bucket, unless that is larger than a metadata bucket can be.
func (t *Trace) prioSet(r io.ReaderAt, b []byte, pos int64) {
	if len(b) < ondisk.PrioSetBytes || !ondisk.PrioSetHasMagic(b, t.SetMagic) {
		return
	}
	for n := ondisk.Sector(ondisk.PageSectors); n < maxMetaSectors; n *= 2 {
		raw := make([]byte, n.Bytes())
		if pos%n.Bytes() != 0 || full.ReadAt(r, raw, pos) != nil {
			return
		}
		if _, err := ondisk.DecodePrioSet(raw, t.SetMagic); err == nil {
			t.BucketSectors, t.PrioProven, t.Proof = n, true, ondisk.Sector(pos/ondisk.SectorBytes)
			return
		}
	}
}
