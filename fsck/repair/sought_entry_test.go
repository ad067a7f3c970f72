// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"testing"

	"bctl/internal/lab/scenes"
)

// A live journal entry of which keys far apart are damaged is as it was written, and nothing is lost.
func TestSoughtEntry(t *testing.T) {
	const image = "writeback-crash-mid"
	was, err := truthOf(allOf(scenes.Open(t, image)))
	if err != nil {
		t.Fatal(err)
	}
	s := scenes.Open(t, image)
	for _, e := range s.Entries() {
		if e.Seq < s.Newest().LastSeq || e.Seq == s.Newest().Seq || len(e.Keys) < 3 {
			continue
		}
		s.Flip(e.Sector.Bytes()+240+9, 2)
		s.Flip(e.Sector.Bytes()+int64(e.Bytes)-3, 5)
		break
	}
	if r, bad := repairWell(t, was, allOf(s)); len(bad) > 0 || len(r.Lost) > 0 || r.Plans[0] == nil {
		t.Errorf("%v, given up %v, %q", bad, r.Lost, r.Evidence)
	}
}
