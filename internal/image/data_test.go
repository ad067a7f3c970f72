// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"bytes"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/scenes"
)

// word is what stands wherever no metadata do: no key, no number, no text.
var word = []byte{0xd7, 0x5a, 0xc3, 0x99, 0xe1, 0xb6, 0x6d, 0xf2}

// fillSlack writes words wherever there are no metadata: into all buckets of data and free ones, before and behind the
// superblock, and behind journal entries, bsets and slots, up to the end of what is read of them. It returns how many
// bytes of what an image has it wrote.
func fillSlack(t *testing.T, s *damages.Scene) (slack int) {
	t.Helper()
	fill := func(from, to int64) {
		from = (from + 7) / 8 * 8
		if to > from {
			s.Image.Put(from, bytes.Repeat(word, int(to-from)/8))
		}
	}
	c, err := inspect.Open(t.Context(), s.Image, s.Super(), inspect.Options{Size: s.Size(), Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	g := &c.Geo
	inside := func(from, to int64) {
		fill(from, to)
		slack += int(max(to-from, 0))
	}
	inside(0, ondisk.SuperOffset)
	inside(ondisk.SuperOffset+int64(ondisk.SuperSize)-2048, ondisk.SuperOffset+int64(ondisk.SuperSize))
	ring := map[int]int64{} // up to where entries go, by bucket
	for _, e := range c.Journal.Entries {
		at := c.Journal.Sector(e).Bytes()
		end := at + g.Blocks(int64(e.Bytes)).Bytes()
		inside(at+int64(e.Bytes), end)
		ring[e.Ring] = max(ring[e.Ring], end)
	}
	for i := range g.NJournal {
		from := g.Start(g.FirstBucket + ondisk.Bucket(i)).Bytes()
		inside(max(from, ring[i]), from+g.BucketSectors.Bytes())
	}
	for _, level := range s.Levels() {
		for _, n := range level {
			start := n.Sector().Bytes()
			last := int64(0)
			for _, set := range s.Sets(n) {
				end := set.At.Bytes() + set.Bytes()
				last = set.At.Bytes() + g.Blocks(set.Bytes()).Bytes()
				inside(start+end, start+last)
			}
			inside(start+last, start+g.NodeSectors.Bytes())
		}
	}
	slots := g.Start(s.UUIDBucket()).Bytes()
	inside(slots+int64(g.NrUUIDs())*ondisk.UUIDEntryBytes, slots+g.MetaSectors.Bytes())
	for b := g.FirstBucket; b < g.NBuckets; b++ {
		switch start := g.Start(b).Bytes(); {
		case c.Buckets.Mark(b) != inspect.Metadata:
			fill(start, start+g.BucketSectors.Bytes())
		case c.Buckets.IsNode(b):
			fill(start+g.NodeSectors.Bytes(), start+g.BucketSectors.Bytes())
		}
	}
	return slack
}

// Nothing of what stands outside of metadata is in a sanitized image: not what was cached, and not what lay in the blocks
// of metadata before them.
func TestNoData(t *testing.T) {
	for _, name := range []string{"two-backing-flash", "fifo-full", "detached-reattached", "hostile"} {
		s := scenes.Open(t, name)
		slack := fillSlack(t, s)
		for _, raw := range []bool{false, true} {
			m, packed := imageOf(t, s.Image, 512, raw)
			if m == nil {
				t.Fatal(name)
			}
			shows := bytes.Count(packed, word)
			for _, a := range m.Devices[0].Areas {
				b := make([]byte, a.Len)
				if _, err := m.View(0).ReadAt(b, a.Off); err != nil {
					t.Fatal(err)
				}
				if n := bytes.Count(b, word); n > 0 && !raw {
					t.Errorf("%s: %d words in the area at byte %d, the first at %d of it", name, n, a.Off, bytes.Index(b, word))
				} else {
					shows += n
				}
			}
			if !raw && shows > 0 || raw && shows*8 < slack/2 {
				t.Errorf("%s, raw %v: %d words show, of %d bytes", name, raw, shows, slack)
			}
		}
	}
}
