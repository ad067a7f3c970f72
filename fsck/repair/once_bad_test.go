// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"math/rand/v2"
	"testing"

	"bctl/internal/lab/scenes"
)

// onceBad are damages of TestRandomFlips that once ended badly, and why.
var onceBad = []struct {
	image string
	seed  uint64
	why   string
}{
	{"detached-crash", 9196, "a time of invalidation in an empty slot stayed"},
	{"detached-crash", 44006, "a volume without cached data began at the device's end"},
	{"detached-reattached", 9030, "a last bset without a header was taken for unused space; the journal has its keys"},
	{"detached-reattached", 9058, "a bset whose header is garbage, behind another damaged one, was taken for unused space"},
	{"detached-reattached", 9123, "a damaged offset made a dirty key stand elsewhere"},
	{"detached-reattached", 21119, "a damaged gen made the other dirty data of its bucket stale"},
	{"discard-random", 9044, "of two keys for the same sectors the damaged one won"},
	{"fifo-full", 44074, "a backing superblock with a damaged version was sealed as a cache's"},
	{"writeback-crash-mid", 9037, "a damaged size made data of another key appear"},
}

func TestOnceBad(t *testing.T) {
	for _, b := range onceBad {
		whole := scenes.Open(t, b.image)
		was, err := truthOf(allOf(whole))
		if err != nil {
			t.Fatal(err)
		}
		s := scenes.Open(t, b.image)
		all := spots(s)
		what := strike(rand.New(rand.NewPCG(b.seed, 11)), s, all, kindsOf(all))
		if r, bad := repairWell(t, was, allOf(s)); len(bad) > 0 {
			t.Errorf("%s, %d: %s (%s): %v", b.image, b.seed, what, b.why, bad)
			if r != nil {
				t.Logf("   %q", r.Evidence)
			}
		}
	}
}
