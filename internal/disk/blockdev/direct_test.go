// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"bytes"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
)

// What is read past the page cache is what is there, at any place and length.
func TestReadDirect(t *testing.T) {
	want := make([]byte, 3<<20+512)
	rnd := rand.New(rand.NewSource(1))
	rnd.Read(want)
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.direct != nil {
		t.Fatal("a file that nobody uses is read past the page cache")
	}
	if d.bypass(); d.direct == nil {
		t.Skip("this filesystem cannot be read past the page cache")
	}
	for i := range 300 {
		off, n := rnd.Intn(len(want)+100), rnd.Intn(4096)
		if i%10 == 0 {
			n = rnd.Intn(3 << 20)
		}
		b := make([]byte, n)
		got, err := d.ReadAt(b, int64(off))
		rest := want[min(off, len(want)):]
		if wantN := min(n, len(rest)); got != wantN || !bytes.Equal(b[:got], rest[:got]) || (err == io.EOF) != (wantN < n) || err != nil && err != io.EOF {
			t.Fatalf("%d bytes at %d: %d read, want %d, %v", n, off, got, wantN, err)
		}
	}
}
