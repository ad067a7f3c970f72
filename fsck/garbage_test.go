// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/scenes"
)

// A uuid bucket that something else was written over, all of it or one slot, has no names: they are null, not what
// stands there, the report is not complete, and one cause is one finding.
func TestUUIDGarbage(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{3})
	for _, base := range []string{"two-backing-flash", "fifo-full", "writeback-crash"} {
		for what, fill := range map[string]func(b []byte){
			"noise": func(b []byte) { _, _ = rnd.Read(b) },
			"ones":  func(b []byte) { copy(b, slices.Repeat([]byte{0xff}, len(b))) },
			"zero":  func(b []byte) { clear(b) },
			"slot":  func(b []byte) { _, _ = rnd.Read(b[:ondisk.UUIDEntryBytes]) },
		} {
			s := scenes.Open(t, base)
			at := s.Geo.Start(s.UUIDBucket()).Bytes()
			b := make([]byte, s.Geo.MetaSectors.Bytes())
			if _, err := s.Main.ReadAt(b, at); err != nil {
				t.Fatal(err)
			}
			fill(b)
			s.Main.Put(at, b)
			r := check(t, s)
			if r.Complete {
				t.Errorf("%s, %s: complete", base, what)
			}
			n := 0
			for _, f := range r.Findings {
				if f.Code == finding.UUGarbage {
					n++
				} else if f.Code.Family() == "UU" && what != "zero" {
					t.Errorf("%s, %s: %s %s", base, what, f.Code, f.Message)
				}
			}
			if want := what != "zero"; (n == 1) != want || want && r.Result != fsck.Damaged {
				t.Errorf("%s, %s: %s, %v", base, what, r.Result, codes(r))
			}
			text, err := json.Marshal(r.Summary)
			if err != nil {
				t.Fatal(err)
			}
			var sum struct {
				Volumes []struct {
					UUID, Label *string
					FlashOnly   *bool `json:"flash_only"`
				}
			}
			if err := json.Unmarshal(text, &sum); err != nil {
				t.Fatal(err)
			}
			for i, v := range sum.Volumes {
				if known := what == "slot" && i > 0; (v.UUID != nil) != known || (v.Label != nil) != known || (v.FlashOnly != nil) != known {
					t.Errorf("%s, %s: volume %d: %s", base, what, i, text)
				}
			}
			if len(sum.Volumes) == 0 || len(sum.Volumes) > 3 || strings.Contains(r.Verdict(), "belong to no volume") != (what == "zero" && base != "fifo-full") {
				t.Errorf("%s, %s: %d volumes; %s", base, what, len(sum.Volumes), r.Verdict())
			}
		}
	}
}
