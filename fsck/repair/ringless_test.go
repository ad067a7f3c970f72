// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"slices"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/scenes"
)

// Where the whole journal is gone, any sector of any volume may have been dirty, and the repair lists that; where no slot
// tells which volumes there are either, it says so.
func TestLostRing(t *testing.T) {
	for base, volumes := range map[string]bool{"two-backing-flash": true, "empty-registered": false} {
		s := scenes.Open(t, base)
		for i := range s.Geo.NJournal {
			s.Wipe(s.Geo.FirstBucket + ondisk.Bucket(i))
		}
		r := planned(t, devices(s))
		if len(codes(r.After)) > 0 {
			t.Fatalf("%s: %v is left", base, codes(r.After))
		}
		inodes := map[uint32]bool{}
		for _, l := range r.Lost {
			if l.Perhaps() && l.Code == finding.JRGap && l.Offset == 0 {
				inodes[l.Inode] = true
			}
		}
		if volumes != (len(inodes) == 3) {
			t.Errorf("%s: lost %v", base, r.Lost)
		}
		none := slices.ContainsFunc(r.Evidence, func(s string) bool { return strings.Contains(s, "nothing to list") })
		if none == volumes {
			t.Errorf("%s: %q", base, r.Evidence)
		}
	}
}
