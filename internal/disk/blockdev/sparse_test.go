// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What Data leaves out reads as zeroes, and a sparse file is not all data.
func TestData(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size, step = 64 << 20, 16 << 20
	want := make([]byte, size)
	for at := int64(step - 512); at < size-step; at += step {
		copy(want[at:], "data on both sides of a block's end"+string(make([]byte, 512)))
		copy(want[at+500:], "here too: this goes on behind it")
		if _, err := f.WriteAt(want[at:at+1024], at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, sum := make([]byte, size), int64(0)
	for at := int64(0); ; {
		from, to := d.Data(at)
		if from == to {
			break
		}
		if from < at || to > size {
			t.Fatalf("data behind %d: %d to %d", at, from, to)
		}
		copy(got[from:to], want[from:to])
		sum, at = sum+to-from, to
		if inside, end := d.Data(to - 1); inside != to-1 || end < to {
			t.Errorf("data at %d: %d to %d", to-1, inside, end)
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("what is no data is not zeroes")
	}
	if sum > size/2 {
		t.Skipf("this filesystem has no holes: %d bytes of data", sum)
	}
	if from, to := d.Data(size + 1); from != to {
		t.Errorf("data behind the end: %d to %d", from, to)
	}
}
