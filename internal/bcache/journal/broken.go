// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// A Block is where in the ring something stands that was an entry once: up to Bytes of it can be read.
type Block struct {
	Sector ondisk.Sector
	Bytes  int64
}

// Broken finds the blocks of the ring that have the set's magic and are no valid entry, and those that would be one
// with it: what a repair may correct.
func Broken(r io.ReaderAt, g *superblock.Geometry) (out []Block) {
	l := &Log{r: r, g: g}
	var w window
	for ring := range g.NJournal {
		if l.hole(ring) {
			continue
		}
		w.reset(r, l.start(ring).Bytes(), g.BucketSectors.Bytes())
		for off := ondisk.Sector(0); off < g.BucketSectors; {
			b, err := w.at(off.Bytes(), ondisk.MaxJsetBytes)
			if err != nil {
				break
			}
			e, err := probe(b, g.SetMagic)
			if err == nil {
				off += g.Blocks(e.Bytes)
				continue
			}
			if ondisk.JsetHasMagic(b, g.SetMagic) || ondisk.JsetButMagic(b, g.SetMagic) {
				out = append(out, Block{l.start(ring) + off, int64(len(b))})
			}
			off += g.BlockSectors
		}
	}
	return out
}
