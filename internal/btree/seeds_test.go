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
	"bctl/internal/ondisk"
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

// collect returns a sink and what came through it.
func collect() (finding.Sink, *finding.Collector) {
	c := new(finding.Collector)
	return c.Add, c
}
