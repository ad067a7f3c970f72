// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"bytes"
	"errors"
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

// What is written past the page cache is there, whichever way it is read, and so is what is not made of whole blocks.
func TestWriteMedium(t *testing.T) {
	want := make([]byte, 1<<20)
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := OpenExclusive(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rnd := rand.New(rand.NewSource(2))
	buf := Aligned(64 << 10)
	if offset(buf)%directAlign != 0 || cap(buf) != 64<<10 {
		t.Error("not aligned")
	}
	for i := range 200 {
		off, n, skip := rnd.Intn(len(want)-len(buf)), rnd.Intn(len(buf)), 0
		switch i % 4 {
		case 0:
			off, n = off/4096*4096, n/4096*4096
		case 1:
			off, n, skip = off/512*512, n/512*512, rnd.Intn(len(buf)-n)/512*512
		case 2:
			skip = rnd.Intn(len(buf) - n)
		}
		b := buf[skip:][:n]
		rnd.Read(b)
		copy(want[off:], b)
		if k, err := d.WriteMedium(b, int64(off)); k != n || err != nil {
			t.Fatalf("%d bytes at %d: %d, %v", n, off, k, err)
		}
		got := Aligned(n)
		if k, err := d.ReadMedium(got, int64(off)); k != n || err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%d bytes at %d: not what was written, %v", n, off, err)
		}
	}
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file holds something else, %v", err)
	}
	if r, err := Open(path); err != nil {
		t.Error(err)
	} else if _, err := r.WriteMedium(buf, 0); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if past := d.past != nil; past != d.PastCache() {
		t.Errorf("past the page cache: written %v, read %v", past, d.PastCache())
	}
}

// A file of tmpfs has no medium, though the flag is taken there.
func TestInMemory(t *testing.T) {
	f, err := os.CreateTemp("/dev/shm", "bctl-test-*")
	if err != nil {
		t.Skip("no tmpfs here: ", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	d, err := Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.PastCache() {
		t.Error("it is said to be read from a medium")
	}
	if n, err := d.ReadMedium(make([]byte, 4096), 0); n != 4096 || err != nil {
		t.Error(n, err)
	}
}
