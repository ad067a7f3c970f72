package ondisk

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A seed is one line of testdata/seeds.txt: a block that the kernel wrote.
type seed struct {
	kind, image, file string
	at                int64
	parent            Ptr
	data              []byte
}

func (s seed) String() string { return fmt.Sprintf("%s-%s-%s-%d", s.kind, s.image, s.file, s.at) }

// seeds are the kernel's blocks of one kind. It fails the test if there are none.
func seeds(t testing.TB, kind string) (out []seed) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "seeds.txt"))
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
		if s.kind != kind {
			continue
		}
		if parent != "-" {
			if _, err := fmt.Sscan(parent, (*uint64)(&s.parent)); err != nil {
				t.Fatalf("seeds.txt: %q: %v", line, err)
			}
		}
		if s.data = gunzip(t, filepath.Join("testdata", s.String()+".gz")); len(s.data) != size {
			t.Fatalf("%v: %d bytes, want %d", s, len(s.data), size)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		t.Fatalf("no %s in seeds.txt", kind)
	}
	return out
}

func gunzip(t testing.TB, path string) []byte {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// setMagic is what the magics of the seed's image are xored with: from its cache's superblock.
func (s seed) setMagic(t testing.TB) uint64 {
	t.Helper()
	b := gunzip(t, filepath.Join("testdata", fmt.Sprintf("super-%s-cache-%d.gz", s.image, SuperOffset)))
	return binary.LittleEndian.Uint64(b[56:])
}
