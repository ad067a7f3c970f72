// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bctl/test/kernel/workload"
)

// TestScratch boots nothing: the host hashes what the guest says it copied, and leaves the other facts alone.
func TestScratch(t *testing.T) {
	disk, err := newScratch(filepath.Join(t.TempDir(), scratchName))
	if err != nil {
		t.Fatal(err)
	}
	one, two := bytes.Repeat([]byte("a"), 1000), bytes.Repeat([]byte("b"), workload.Piece+512)
	f, err := os.OpenFile(disk.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off, b := range map[int64][]byte{0: one, 1024: two} {
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
	r := parseReport(fmt.Sprintf("@case x\n@sum.b copied:0:1000\n@piece.b copied:1024:%d\n@sum.gone \n@dirty.b 1.0k\n", len(two)), "")
	if err := r.hash(disk.Path); err != nil {
		t.Fatal(err)
	}
	sum := func(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
	c := r.Case("x")
	if c.Fact("sum.b") != sum(one) || c.Fact("sum.gone") != "" || c.Fact("dirty.b") != "1.0k" {
		t.Errorf("facts %v", c.Facts)
	}
	if m := c.Map("piece.b"); len(m) != 2 || m["0"] != sum(two[:workload.Piece]) || m["1"] != sum(two[workload.Piece:]) {
		t.Errorf("pieces %v", m)
	}
}
