// SPDX-License-Identifier: GPL-2.0-only

package superblock_test

import (
	"context"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// A copy of a cache's superblock among its data is no cache: the journal stands where the superblock itself leads, or, if
// that is lost, where the btree root says.
func TestFindCopy(t *testing.T) {
	for name, lose := range map[string]bool{"whole": false, "lost": true} {
		s := scenes.Open(t, "made-small")
		free := s.Free(1)[0]
		s.Put(s.Geo.Start(free).Bytes()+4096, s.Bytes(ondisk.SuperOffset, ondisk.SuperSize))
		if lose {
			s.Put(ondisk.SuperOffset, make([]byte, ondisk.SuperSize))
		}
		places, err := superblock.Find(context.Background(), s.Main, s.Size(), s.Size(), nil)
		if err != nil || len(places) != 1 {
			t.Fatal(name, places, err)
		}
		if p := places[0]; p.Start != 0 || !p.Proven || (p.Super == nil) != lose {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
