// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"math/rand/v2"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/scenes"
)

// What was found by writing blocks to the wrong place: keys without a header, or the same bset twice, tell nothing of what
// stood there; slots that moved are put back; a superblock that its checksum refuses is believed in nothing.
func TestMisplaced(t *testing.T) {
	over := func(leaf int, from, to int64) func(*damages.Scene) {
		return func(s *damages.Scene) {
			at := s.Leaves()[leaf].Sector().Bytes()
			s.Put(at+to, s.Bytes(at+from, pageBytes))
		}
	}
	seeded := func(seed uint64) func(*damages.Scene) {
		return func(s *damages.Scene) { strikeWide(rand.New(rand.NewPCG(seed, 11)), s, spots(s)) }
	}
	for _, x := range []struct {
		what, image string
		plant       func(*damages.Scene)
	}{
		{"a block of the leaf over the one behind it", "detached-reattached", over(1, 0, 4096)},
		{"likewise, elsewhere", "detached-reattached", over(1, 2048, 6144)},
		{"a block of the first bset over its head", "writeback-dirty", seeded(81038)},
		{"an older bset in a newer one's place", "two-backing-flash", seeded(82019)},
		{"a prio set's block over the slots", "version5", seeded(81081)},
		{"the slots' block and an empty one swapped", "version5", seeded(81000)},
		{"a cache's superblock with an unknown feature and a wrong checksum", "version5", seeded(82071)},
		{"a block with a version, of a backing device's, over a cache's superblock", "read-misses", func(s *damages.Scene) {
			b := make([]byte, pageBytes)
			b[0], b[16] = 0xe9, 1
			s.Put(ondisk.SuperOffset, b)
		}},
		{"a backing superblock's uuid and unused bytes", "fifo-full", seeded(82142)},
	} {
		s := scenes.Open(t, x.image)
		was, err := truthOf(allOf(s))
		if err != nil {
			t.Fatal(err)
		}
		x.plant(s)
		if r, bad := repairWell(t, was, allOf(s)); len(bad) > 0 || r.Before != nil && len(codes(r.Before)) == 0 {
			t.Errorf("%s: %s: %v", x.image, x.what, bad)
		}
	}
}
