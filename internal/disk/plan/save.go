// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"slices"
	"sort"

	"bctl/internal/disk/full"
)

// An undo file:
//
//	bctl undo 2
//	{"command":...,"device":...,"size_bytes":...,"blocks":N,"watched":[...]}
//	N times     where and how many bytes, and of which step: 8, 8 and 4 bytes, little-endian
//	N times     what stood there before that; the digest of each sector that is written: 8 bytes
//	            the digest of all that, in hexadecimal
//
// Everything is written and read from the front to the end, so it need not fit into memory. Files of version 1 had the
// digest in front and all new contents behind the old ones.
const (
	undoMagic   = "bctl undo 2\n"
	indexBytes  = 20
	sectorSum   = 8
	digestBytes = 2 * sha256.Size
)

// Head is what an undo file says of itself.
type Head struct {
	Command   string `json:"command"` // that made the change
	Device    string `json:"device"`  // as it was called then
	SizeBytes int64  `json:"size_bytes"`
	Created   string `json:"created"`
}

type watch struct {
	Region
	Old string `json:"old_sha256"`
	New string `json:"new_sha256"`
}

// undoHead is the whole line.
type undoHead struct {
	Head
	Blocks  int     `json:"blocks"`
	Watched []watch `json:"watched"`
}

// SaveUndo writes the undo file of p, to be carried out on dev, and fills in the device's size. Nothing may be written
// to dev before the file is on its medium.
func (p *Plan) SaveUndo(out io.Writer, dev Device, h Head) error {
	return p.SaveUndoOf(nil, out, dev, h)
}

// SaveUndoOf is SaveUndo of a stream, nil for none, that is written before p.
func (p *Plan) SaveUndoOf(data Stream, out io.Writer, dev Device, h Head) error {
	before, w := p.again()
	if w != nil {
		return fmt.Errorf("%s: written twice, so it could not be told what stood there", w.name())
	}
	h.SizeBytes = dev.Size()
	blocks, err := data.count(p)
	if err != nil {
		return err
	}
	head := undoHead{Head: h, Blocks: blocks}
	if head.Watched, err = p.watches(dev); err != nil {
		return err
	}
	line, err := json.Marshal(head)
	if err != nil {
		return err
	}
	sum := sha256.New()
	to := bufio.NewWriterSize(io.MultiWriter(out, sum), window)
	fmt.Fprintf(to, "%s%s\n", undoMagic, line) // errors stay with to
	if err := data.index(to, p, blocks); err != nil {
		return err
	}
	buf := new(windows)
	all := slices.Collect(p.Writes())
	first := blocks - len(all)
	for w, err := range data.all(p) {
		if err != nil {
			return err
		}
		old := Write{Off: w.Off, From: dev, At: w.Off, Bytes: w.Len()}
		if j, again := before[w.nth-first]; again && w.nth >= first {
			old = all[j]
		}
		if err := w.saveBlock(to, &old, buf); err != nil {
			return fmt.Errorf("%s: %w", w.name(), err)
		}
	}
	if err := to.Flush(); err != nil {
		return err
	}
	_, err = io.WriteString(out, hex.EncodeToString(sum.Sum(nil)))
	return err
}

// saveBlock writes what stands where w goes, and the digests of w.
func (w *Write) saveBlock(to io.Writer, old *Write, buf *windows) error {
	err := old.pieces(buf, func(_ int64, data []byte) error {
		_, err := to.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return w.pieces(buf, func(_ int64, data []byte) error {
		for s := range slices.Chunk(data, sector) {
			if _, err := to.Write(sumSector(s)); err != nil {
				return err
			}
		}
		return nil
	})
}

func sumSector(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:sectorSum]
}

// place is a write, of which step it is, and the how manieth of all.
type place struct {
	*Write
	step, nth int
}

// again finds the writes to places that were written by an earlier step, as a superblock is that goes first and comes
// last: which write it was, by their numbers in order. A write to a part of such a place, or in the same step, is bad.
func (p *Plan) again() (before map[int]int, bad *Write) {
	var all []place
	for i, step := range p.Steps {
		for k := range step {
			all = append(all, place{&step[k], i, len(all)})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		return cmp.Or(cmp.Compare(all[i].Off, all[j].Off), cmp.Compare(all[i].nth, all[j].nth)) < 0
	})
	before = map[int]int{}
	for i := 1; i < len(all); i++ {
		switch a, b := all[i-1], all[i]; {
		case a.end() <= b.Off:
		case a.region() == b.region() && a.step != b.step:
			before[b.nth] = a.nth
		case a.nth > b.nth:
			return nil, a.Write
		default:
			return nil, b.Write
		}
	}
	return before, nil
}

// watches are the digests of what is watched, before and after. What the plan writes itself is not among them: it is
// checked sector by sector.
func (p *Plan) watches(dev Device) (out []watch, err error) {
	now := p.Overlay(dev)
	for _, g := range p.Watched {
		if p.covers(g) {
			continue
		}
		w := watch{Region: g}
		if w.Old, err = sumOf(dev, g); err != nil {
			return nil, err
		}
		if w.New, err = sumOf(now, g); err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

// covers reports whether one write goes to all of g.
func (p *Plan) covers(g Region) bool {
	for w := range p.Writes() {
		if w.Off <= g.Off && g.Off+g.Bytes <= w.end() {
			return true
		}
	}
	return false
}

// sumOf is the digest of a region.
func sumOf(r io.ReaderAt, g Region) (string, error) {
	sum := sha256.New()
	err := hashRegion(sum, r, g)
	return hex.EncodeToString(sum.Sum(nil)), err
}

func hashRegion(sum hash.Hash, r io.ReaderAt, g Region) error {
	b := make([]byte, min(window, g.Bytes))
	for at := int64(0); at < g.Bytes; at += window {
		part := b[:min(window, g.Bytes-at)]
		if err := full.ReadAt(r, part, g.Off+at); err != nil {
			return err
		}
		sum.Write(part)
	}
	return nil
}
