// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"testing"

	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// Trays take as much memory as a small table saves.
func TestSmallHasNoTrays(t *testing.T) {
	f, size := imgtest.File(t, "fifo-full")
	s, err := superblock.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, small := range []bool{false, true} {
		c, err := Open(t.Context(), f, s, Options{Size: size, Small: small, Sink: func(finding.Finding) {}})
		if err != nil {
			t.Fatal(err)
		}
		if m := newMarker(c, true); (m.trays == nil) != small {
			t.Errorf("small %v: trays %v", small, m.trays != nil)
		}
	}
}
