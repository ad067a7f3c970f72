// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

const now = damages.Now

// envFlips is how many random damages TestRandomFlips plants in each image, envFlipSeed the number of the first.
const envFlips, envFlipSeed, envFlipImage = "BCTL_REPAIR_FLIPS", "BCTL_REPAIR_SEED", "BCTL_REPAIR_IMAGE"

// A spot is a structure that something may hit.
type spot struct {
	kind string
	dev  *planter.Image
	back int // the number of the backing device; -1: the cache
	off  int64
	n    int64
}

// spots are all structures of a scene, by kind.
func spots(s *damages.Scene) map[string][]spot {
	out := map[string][]spot{}
	add := func(kind string, dev *planter.Image, off, n int64) {
		out[kind] = append(out[kind], spot{kind, dev, slices.Index(s.Back, dev), off, n})
	}
	add("superblock", s.Image, ondisk.SuperOffset, ondisk.SuperSize)
	for _, b := range s.Back {
		add("backing superblock", b, ondisk.SuperOffset, ondisk.SuperSize)
	}
	entries := s.Entries()
	if len(entries) == 0 { // never registered
		return out
	}
	newest := entries[len(entries)-1]
	for _, e := range entries {
		if e.Seq >= newest.LastSeq {
			add("journal entry", s.Image, e.Sector.Bytes(), int64(e.Bytes))
			add("journal entry's head", s.Image, e.Sector.Bytes(), ondisk.JsetBytes)
		}
	}
	for _, b := range s.Chain() {
		add("prio set", s.Image, s.Geo.Start(b).Bytes(), s.Geo.MetaSectors.Bytes())
		add("prio set's head", s.Image, s.Geo.Start(b).Bytes(), 32)
	}
	slots := s.Geo.Start(s.UUIDBucket()).Bytes()
	add("uuid bucket", s.Image, slots, s.Geo.MetaSectors.Bytes())
	add("uuid slots in use", s.Image, slots, 3*ondisk.UUIDEntryBytes)
	for level, nodes := range s.Levels() {
		kind := "leaf"
		if level > 0 {
			kind = "interior node"
		}
		for _, node := range nodes {
			add(kind, s.Image, node.Sector().Bytes(), s.Geo.NodeSectors.Bytes())
			for _, set := range s.Sets(node) {
				at := (node.Sector() + set.At).Bytes()
				add(kind+"'s bset head", s.Image, at, ondisk.BsetBytes)
				if n := set.Bytes() - ondisk.BsetBytes; n > 0 {
					add(kind+"'s keys", s.Image, at+ondisk.BsetBytes, n)
				}
			}
		}
	}
	return out
}

// A hit is how a spot is damaged.
type hit struct {
	kind string
	do   func(rnd *rand.Rand, b []byte) // b is the whole spot
}

// some is a run of n bytes of b, somewhere, or all of it.
func some(rnd *rand.Rand, b []byte, n, align int) []byte {
	if n >= len(b) {
		return b
	}
	at := rnd.IntN(len(b)-n+1) / align * align
	return b[at : at+n]
}

func garbage(rnd *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
}

var hits = []hit{
	{"bit", func(rnd *rand.Rand, b []byte) { some(rnd, b, 1, 1)[0] ^= 1 << rnd.IntN(8) }},
	{"byte", func(rnd *rand.Rand, b []byte) { garbage(rnd, some(rnd, b, 1, 1)) }},
	{"word", func(rnd *rand.Rand, b []byte) { garbage(rnd, some(rnd, b, 8, 8)) }},
	{"bits", func(rnd *rand.Rand, b []byte) {
		for range 2 + rnd.IntN(8) {
			some(rnd, b, 1, 1)[0] ^= 1 << rnd.IntN(8)
		}
	}},
	{"sector of garbage", func(rnd *rand.Rand, b []byte) { garbage(rnd, some(rnd, b, ondisk.SectorBytes, ondisk.SectorBytes)) }},
	{"sector of zeros", func(rnd *rand.Rand, b []byte) { clear(some(rnd, b, ondisk.SectorBytes, ondisk.SectorBytes)) }},
	{"page of garbage", func(rnd *rand.Rand, b []byte) { garbage(rnd, some(rnd, b, 4096, 4096)) }},
	{"zeros", func(_ *rand.Rand, b []byte) { clear(b) }},
}

// strike plants one damage in a scene, and says which.
func strike(rnd *rand.Rand, s *damages.Scene, all map[string][]spot, kinds []string) string {
	kind := kinds[rnd.IntN(len(kinds))]
	list := all[kind]
	at := list[rnd.IntN(len(list))]
	how := hits[rnd.IntN(len(hits))]
	at.dev.Edit(at.off, int(at.n), func(b []byte) { how.do(rnd, b) })
	return fmt.Sprintf("%s, %s at byte %d", at.kind, how.kind, at.off)
}

func kindsOf(all map[string][]spot) (kinds []string) {
	for k := range all {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	return kinds
}

// allOf are a scene's devices with all backing devices of its set.
func allOf(s *damages.Scene) []fsck.Device {
	s.Give = len(s.Back)
	return devices(s)
}

func envInt(t testing.TB, name string, otherwise int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// strict reports whether a damage of this kind is proven to be mended without a trace. The others are shown by hand:
// what garbage has taken from a leaf, a journal entry or a slot nobody knows.
func strict(what string) bool {
	if os.Getenv(envFlips) != "" {
		return true
	}
	return strings.Contains(what, ", bit at") || strings.Contains(what, ", byte at") || strings.HasPrefix(what, "prio set")
}

// Whatever is flipped in whatever structure: a repair ends without damage, another finds nothing to do, and every
// volume shows what it showed before, but for what the repair said it gives up.
func TestRandomFlips(t *testing.T) {
	count, first := envInt(t, envFlips, 4), envInt(t, envFlipSeed, 0)
	if testing.Short() {
		count = 1
	}
	for _, name := range imgtest.AllNames(t) {
		if only := os.Getenv(envFlipImage); only != "" && only != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			whole := scenes.Open(t, name)
			if len(whole.Entries()) == 0 {
				t.Skip("never registered: it holds nothing")
			}
			was, err := truthOf(allOf(whole))
			if err != nil {
				t.Fatal(err)
			}
			tally := map[string]int{}
			for i := first; i < first+count; i++ {
				rnd := rand.New(rand.NewPCG(uint64(i), 11))
				s := scenes.Open(t, name)
				all := spots(s)
				what, torn := "", false
				if os.Getenv(envWide) != "" {
					what, torn = strikeWide(rnd, s, all)
				} else {
					what = strike(rnd, s, all, kindsOf(all))
				}
				r, bad := repairWell(t, was, allOf(s))
				if r != nil && os.Getenv(envWide) != "" {
					_, more := preened(r, was, allOf(s), torn)
					bad = append(bad, more...)
				}
				switch {
				case len(bad) > 0 && torn:
					t.Logf("%d: %s: the newest entry is hit: %v", i, what, bad) // as after a power cut
					tally["torn"]++
				case len(bad) > 0 && r != nil && r.Before != nil && len(codes(r.Before)) == 0 && os.Getenv(envFlips) != "":
					t.Logf("%d: %s: nothing is found: %v", i, what, bad) // as docs/repair.md says of what nothing tells
					tally["silent"]++
				case len(bad) > 0 && strict(what):
					t.Errorf("%d: %s: %v", i, what, bad)
					if r != nil && r.Before != nil {
						t.Logf("   %v -> %q", codes(r.Before), r.Evidence)
					}
					tally["bad"]++
				}
			}
			t.Logf("%d of %d end badly, of %d more nothing is found, of %d the newest journal entry is hit", tally["bad"], count, tally["silent"], tally["torn"])
		})
	}
}
