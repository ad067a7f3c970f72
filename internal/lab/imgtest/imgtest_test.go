// SPDX-License-Identifier: GPL-2.0-only

package imgtest

import (
	"os"
	"slices"
	"syscall"
	"testing"
)

// allocated is what a file takes on its filesystem, in bytes.
func allocated(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Skip("no block counts here")
	}
	return st.Blocks * 512
}

func TestCopiesAreSparseAndApart(t *testing.T) {
	for _, name := range AllNames(t) {
		a, b := Open(t, name), Open(t, name)
		if a.Sum() != b.Sum() {
			t.Errorf("%s: two copies differ", name)
		}
		info, err := os.Stat(a.Cache)
		if err != nil {
			t.Fatal(err)
		}
		if used := allocated(t, a.Cache); used > info.Size()*9/10 {
			t.Errorf("%s: the copy takes %d of %d bytes: it is not sparse", name, used, info.Size())
		}
	}
	a, b := Open(t, "version5"), Open(t, "version5")
	a.Flip(4096, 0)
	if a.Sum() == b.Sum() {
		t.Error("a flipped bit does not change the sum")
	}
	a.Flip(4096, 0)
	if a.Sum() != b.Sum() {
		t.Error("a bit flipped twice changes the sum")
	}
}

func TestSumSeesSizeAndBackingNotHoles(t *testing.T) {
	img := Open(t, "empty-registered")
	before := img.Sum()
	hole := int64(32 << 20)
	img.Write(hole, make([]byte, 8192))
	if img.Sum() != before {
		t.Error("zeros written into a hole change the sum")
	}
	Flip(t, img.Backing[0], 1<<20, 3)
	if img.Sum() == before {
		t.Error("a change of the backing device does not change the sum")
	}
	Flip(t, img.Backing[0], 1<<20, 3)
	img.Truncate(img.size() + 512)
	if img.Sum() == before {
		t.Error("a longer device does not change the sum")
	}
}

func (img *Image) size() int64 {
	info, err := os.Stat(img.Cache)
	if err != nil {
		img.t.Fatal(err)
	}
	return info.Size()
}

func TestEveryImageHasFacts(t *testing.T) {
	var known []string
	for _, f := range All {
		known = append(known, f.Name)
	}
	slices.Sort(known)
	if names := AllNames(t); !slices.Equal(names, known) {
		t.Errorf("images %v, facts for %v", names, known)
	}
}

func TestWords(t *testing.T) {
	img := Open(t, "empty-registered")
	img.PutUint64(1<<20, 0x1122334455667788)
	img.Edit(1<<20, 2, func(b []byte) { b[0], b[1] = b[1], b[0] })
	if got := img.Uint64(1 << 20); got != 0x1122334455668877 {
		t.Errorf("got %#x", got)
	}
}
