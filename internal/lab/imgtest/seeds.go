// SPDX-License-Identifier: GPL-2.0-only

package imgtest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Seed is a block that the kernel wrote, cut from an image: a line of internal/bcache/ondisk/testdata/seeds.txt.
type Seed struct {
	Kind        string // super, jset, prio, uuid, bset, leaf or inner
	Image, File string
	At          int64  // byte on the device
	Parent      uint64 // of a btree block: the pointer in its parent's key
	Data        []byte
}

func (s Seed) String() string { return fmt.Sprintf("%s-%s-%s-%d", s.Kind, s.Image, s.File, s.At) }

// SetMagic is what the magics of the seed's image are xored with: from its cache's superblock.
func (s Seed) SetMagic(t testing.TB) uint64 {
	t.Helper()
	const super = 4096
	b := Seed{Kind: "super", Image: s.Image, File: "cache", At: super}.read(t)
	return binary.LittleEndian.Uint64(b[56:])
}

// Seeds are the blocks of these kinds, or all. It fails the test if there are none.
func Seeds(t testing.TB, kinds ...string) (out []Seed) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(seedFolder(t), "seeds.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var s Seed
		var size int
		var parent string
		if _, err := fmt.Sscan(line, &s.Kind, &s.Image, &s.File, &s.At, &size, &parent); err != nil {
			t.Fatalf("seeds.txt: %q: %v", line, err)
		}
		if len(kinds) > 0 && !slices.Contains(kinds, s.Kind) {
			continue
		}
		if parent != "-" {
			if _, err := fmt.Sscan(parent, &s.Parent); err != nil {
				t.Fatalf("seeds.txt: %q: %v", line, err)
			}
		}
		if s.Data = s.read(t); len(s.Data) != size {
			t.Fatalf("%v: %d bytes, want %d", s, len(s.Data), size)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		t.Fatalf("no %v in seeds.txt", kinds)
	}
	return out
}

func seedFolder(t testing.TB) string {
	return filepath.Join(Root(t), "internal", "bcache", "ondisk", "testdata")
}

func (s Seed) read(t testing.TB) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(seedFolder(t), s.String()+".gz"))
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
