// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// Every bset that a kernel wrote holds what it may, and is found again with bits of it flipped, or a word: up to two
// that do not show in its keys.
func TestSought(t *testing.T) {
	for _, name := range imgtest.AllNames(t) {
		s := scenes.Open(t, name)
		sb, err := superblock.Read(s.Image)
		if err != nil {
			t.Fatal(err)
		}
		c, err := inspect.Open(context.Background(), s.Image, sb, inspect.Options{Size: s.Image.Size(), Sink: func(finding.Finding) {}})
		if err != nil || c.Journal == nil {
			continue
		}
		rnd := rand.New(rand.NewPCG(3, 4))
		for level, nodes := range s.Levels() {
			for _, n := range nodes {
				for i, set := range s.Sets(n) {
					for k := range set.Data {
						if !mayHold(c, &set.Data[k], level) {
							t.Errorf("%s: level %d, node %d, set %d: %v may not be there", name, level, n.Sector(), i, &set.Data[k])
						}
					}
					raw := s.Bytes((n.Sector() + set.At).Bytes(), int(set.Bytes()))
					bad := bytes.Clone(raw)
					if rnd.IntN(2) > 0 && len(bad) > 80 {
						for at := range 8 {
							bad[32+24*(len(bad)/48)+at] ^= byte(rnd.Uint32())
						}
					} else {
						for range 2 {
							bad[8+rnd.IntN(len(bad)-8)] ^= 1 << rnd.IntN(8)
						}
					}
					h, _ := ondisk.DecodeBsetHeader(bad)
					if h.Keys < 2 || h.Keys != set.Keys || h.Seq != set.Seq {
						continue
					}
					if got := soughtBset(c, bad, set.Seq, n.Key.Ptr[0], level); !bytes.Equal(got, raw) {
						t.Errorf("%s: level %d, node %d, set %d of %d keys: not found again", name, level, n.Sector(), i, len(set.Data))
					}
				}
			}
		}
	}
}
