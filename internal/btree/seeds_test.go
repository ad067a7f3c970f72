package btree

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/finding"
	"bctl/internal/imgtest"
	"bctl/internal/ondisk"
	"bctl/superblock"
)

const seedDir = "../ondisk/testdata"

// A seed is one line of seeds.txt: a block that the kernel wrote.
type seed struct {
	kind, image, file string
	at                int64
	parent            ondisk.Ptr
	data              []byte
}

// seeds are all kernel-made blocks of the kinds asked for. It fails the test if there are none.
func seeds(t testing.TB, kinds ...string) (out []seed) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(seedDir, "seeds.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var s seed
		var size int
		var parent string
		if _, err := fmt.Sscan(line, &s.kind, &s.image, &s.file, &s.at, &size, &parent); err != nil {
			t.Fatalf("seeds.txt: %q: %v", line, err)
		}
		if len(kinds) > 0 && !strings.Contains(strings.Join(kinds, " "), s.kind) {
			continue
		}
		if parent != "-" {
			if _, err := fmt.Sscan(parent, (*uint64)(&s.parent)); err != nil {
				t.Fatalf("seeds.txt: %q: %v", line, err)
			}
		}
		packed, err := os.ReadFile(filepath.Join(seedDir, fmt.Sprintf("%s-%s-%s-%d.gz", s.kind, s.image, s.file, s.at)))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if s.data, err = io.ReadAll(z); err != nil || len(s.data) != size {
			t.Fatalf("%q: %d bytes, %v", line, len(s.data), err)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		t.Fatalf("no %v in seeds.txt", kinds)
	}
	return out
}

func TestKernelMadeImages(t *testing.T) {
	cut := map[string][]seed{}
	for _, s := range seeds(t) {
		cut[s.image] = append(cut[s.image], s)
	}
	for _, name := range imgtest.Names(t) {
		img := imgtest.Open(t, name)
		seedsStandThere(t, img, cut[name])
		everyBset(t, img)
	}
}

// seedsStandThere: every seed is what stands in its image where seeds.txt says, byte for byte.
func seedsStandThere(t *testing.T, img *imgtest.Image, cut []seed) {
	for _, s := range cut {
		if got := imgtest.Read(t, filepath.Join(img.Dir, s.file+".img"), s.at, len(s.data)); !bytes.Equal(got, s.data) {
			t.Errorf("%s-%s-%s-%d is not what stands there", s.kind, s.image, s.file, s.at)
		}
	}
}

// everyBset: every bset that belongs to the set - of live nodes, and of old ones in buckets since freed - decodes with
// some parent pointer that its bucket can have had, and encodes to the same bytes.
func everyBset(t *testing.T, img *imgtest.Image) {
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
		good += bucketBsets(t, &g, b, node)
	}
	if good == 0 {
		t.Errorf("%s: no bset", img.Name)
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

// collect returns a sink and what came through it.
func collect() (finding.Sink, *finding.Collector) {
	c := new(finding.Collector)
	return c.Add, c
}
