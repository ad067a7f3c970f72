// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/prio"
	"bctl/superblock"
)

// Everything that the kernel left in the images, in one walk for all packages below: unpacking them is what takes time.
func TestKernelMadeImages(t *testing.T) {
	cut := map[string][]imgtest.Seed{}
	for _, s := range imgtest.Seeds(t) {
		cut[s.Image] = append(cut[s.Image], s)
	}
	for _, name := range imgtest.Names(t) {
		img := imgtest.Open(t, name)
		seedsStandThere(t, img, cut[name])
		f, err := os.Open(img.Cache)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := superblock.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		g, err := superblock.NewGeometry(s)
		if err != nil {
			t.Fatal(err)
		}
		everyJset(t, f, &g)
		everyPrioSet(t, f, &g)
		everyBset(t, f, &g)
	}
}

// seedsStandThere: every seed is what stands in its image where seeds.txt says, byte for byte.
func seedsStandThere(t *testing.T, img *imgtest.Image, cut []imgtest.Seed) {
	for _, s := range cut {
		if got := imgtest.Read(t, filepath.Join(img.Dir, s.File+".img"), s.At, len(s.Data)); !bytes.Equal(got, s.Data) {
			t.Errorf("%v is not what stands there", s)
		}
	}
}

// everyJset: every entry of the journal, the leftovers of older laps too, decodes and encodes to the same bytes, and so
// does the uuid bucket that the newest one names; nothing is found wrong.
func everyJset(t *testing.T, f *os.File, g *superblock.Geometry) {
	l, err := journal.Scan(f, g, 2, func(x finding.Finding) { t.Errorf("%s: %s %s", f.Name(), x.Code, x.Message) })
	if err != nil {
		t.Fatalf("%s: %v", f.Name(), err)
	}
	for _, e := range l.Entries {
		j, err := l.Read(e)
		if err != nil {
			t.Errorf("%s: entry %d: %v", f.Name(), e.Seq, err)
			continue
		}
		sameAt(t, f, l.Sector(e), j.Append(nil))
	}
	if oldest, n := l.Live[0], l.Newest; oldest.Seq != n.LastSeq || len(l.Live) != int(n.Seq-n.LastSeq+1) {
		t.Errorf("%s: live %v, newest %d from %d on", f.Name(), l.Live, n.Seq, n.LastSeq)
	}
	raw := make([]byte, g.MetaSectors.Bytes())
	at := l.Newest.UUIDBucket.Ptr[0].Offset()
	if _, err := f.ReadAt(raw, at.Bytes()); err != nil {
		t.Fatal(err)
	}
	us := uuids.Decode(raw, l.Newest.Version)
	var out []byte
	for _, u := range us {
		out = u.Append(out)
	}
	if sameAt(t, f, at, out); len(us) != g.NrUUIDs() {
		t.Errorf("%s: %d uuid slots, want %d", f.Name(), len(us), g.NrUUIDs())
	}
	everyGen(t, f, g, ondisk.Bucket(l.Newest.PrioBucket[g.ThisDev]))
}

// everyGen: the chain that starts at head is whole and sound, and covers every bucket.
func everyGen(t *testing.T, f *os.File, g *superblock.Geometry, head ondisk.Bucket) {
	covered := 0
	c := prio.Follow(f, g, head, func(_ prio.Link, es []ondisk.PrioEntry) { covered += len(es) },
		func(x finding.Finding) { t.Errorf("%s: %s %s", f.Name(), x.Code, x.Message) })
	if !c.Intact || covered != int(g.NBuckets) {
		t.Errorf("%s: gens of %d of %d buckets, intact %v", f.Name(), covered, g.NBuckets, c.Intact)
	}
}

// everyPrioSet: every prio set, of the current chain and of older ones, decodes and encodes to the same bytes.
func everyPrioSet(t *testing.T, f *os.File, g *superblock.Geometry) {
	sets := 0
	head := make([]byte, ondisk.PrioSetBytes)
	for b := g.FirstBucket; b < g.NBuckets; b++ {
		if _, err := f.ReadAt(head, g.Start(b).Bytes()); err != nil {
			t.Fatal(err)
		}
		if !ondisk.PrioSetHasMagic(head, g.SetMagic) {
			continue
		}
		sets++
		p, err := prio.Read(f, g, b)
		if err != nil {
			t.Errorf("%s: bucket %d: %v", f.Name(), b, err)
			continue
		}
		sameAt(t, f, g.Start(b), p.Append(nil))
	}
	if sets == 0 {
		t.Errorf("%s: no prio set", f.Name())
	}
}

func sameAt(t *testing.T, f *os.File, at ondisk.Sector, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, at.Bytes()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s, sector %d: encodes to something else (%v)", f.Name(), at, err)
	}
}

// everyBset: every bset that belongs to the set - of live nodes, and of old ones in buckets since freed - decodes with
// some parent pointer that its bucket can have had, and encodes to the same bytes.
func everyBset(t *testing.T, f *os.File, g *superblock.Geometry) {
	good := 0
	node := make([]byte, g.NodeSectors.Bytes())
	for b := g.FirstBucket + ondisk.Bucket(g.NJournal); b < g.NBuckets; b++ {
		head := node[:ondisk.BsetBytes]
		if _, err := f.ReadAt(head, g.Start(b).Bytes()); err != nil {
			t.Fatal(err)
		}
		if h, err := ondisk.DecodeBsetHeader(head); err != nil || h.CheckMagic(g.SetMagic) != nil {
			continue
		}
		if _, err := f.ReadAt(node, g.Start(b).Bytes()); err != nil {
			t.Fatal(err)
		}
		good += bucketBsets(t, g, b, node)
	}
	if good == 0 {
		t.Errorf("%s: no bset", f.Name())
	}
}

// bucketBsets checks the bsets of one bucket, as far as its first one's node reaches. Which gen its pointer had is
// found by trying: it is in no bset, but the checksum starts with it.
func bucketBsets(t *testing.T, g *superblock.Geometry, b ondisk.Bucket, buf []byte) (good int) {
	h, err := ondisk.DecodeBsetHeader(buf)
	if err != nil {
		t.Fatal(err)
	}
	for gen := range 256 {
		p := ondisk.MakePtr(uint8(gen), g.Start(b), uint64(g.ThisDev))
		if h.Bytes() > int64(len(buf)) || h.CheckSum(buf[:h.Bytes()], p) != nil {
			continue
		}
		for at := int64(0); at < int64(len(buf)); {
			next, err := ondisk.DecodeBsetHeader(buf[at:])
			if err != nil || next.Seq != h.Seq {
				return good
			}
			s, err := ondisk.DecodeBset(buf[at:], g.SetMagic, p)
			if err != nil {
				t.Errorf("bucket %d, byte %d: %v", b, at, err)
				return good
			}
			if out := s.Append(nil); !bytes.Equal(out, buf[at:][:len(out)]) {
				t.Errorf("bucket %d, byte %d: encodes to something else", b, at)
			}
			good++
			block := g.BlockSectors.Bytes()
			at += (s.Bytes() + block - 1) / block * block
		}
		return good
	}
	t.Errorf("bucket %d: a bset of this set that no gen fits", b)
	return 0
}
