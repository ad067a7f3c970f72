// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// check runs fsck over the scene, and makes sure that it wrote nothing and that the report holds together.
func check(t testing.TB, s *damages.Scene) *fsck.Report {
	t.Helper()
	r, err := run(t, s)
	if err != nil {
		t.Fatalf("error: %v", err)
	}
	return r
}

func run(t testing.TB, s *damages.Scene) (*fsck.Report, error) {
	t.Helper()
	all := append([]*planter.Image{s.Main}, s.Back[:s.Give]...)
	var sums []string
	var devs []fsck.Device
	for i, m := range all {
		sums = append(sums, m.Sum())
		devs = append(devs, fsck.Device{Name: "dev" + string(rune('0'+i)), R: m, Size: m.Size(), LogicalBlock: 512})
	}
	devs[0].LogicalBlock = max(512, s.Logical)
	r, err := fsck.Run(context.Background(), devs[0], devs[1:], fsck.Options{Now: damages.Now, Verify: s.Verify})
	for i, m := range all {
		if m.Sum() != sums[i] {
			t.Errorf("the check wrote to %s", devs[i].Name)
		}
	}
	if err == nil {
		holdsTogether(t, r)
	}
	return r, err
}

// holdsTogether checks what is true of every report.
func holdsTogether(t testing.TB, r *fsck.Report) {
	t.Helper()
	damaged := false
	for _, f := range r.Findings {
		if row := finding.Lookup(f.Code); f.Severity != row.Severity {
			t.Errorf("%s is a %s, the table says %s", f.Code, f.Severity, row.Severity)
		}
		if f.Message == "" || strings.Contains(f.Message, "%!") || strings.Contains(f.Message, "\n") {
			t.Errorf("%s: message %q", f.Code, f.Message)
		}
		damaged = damaged || f.Severity == finding.Damage
	}
	damaged = damaged || r.Verified != nil && r.Verified.DifferExtents > 0
	if want := map[bool]string{false: fsck.Clean, true: fsck.Damaged}[damaged]; r.Result != want {
		t.Errorf("result %s, want %s", r.Result, want)
	}
	if r.Type == "cache" {
		b := r.Summary.Buckets
		if b.Free+b.Clean+b.Dirty+b.Metadata != b.Total {
			t.Errorf("bucket counts do not add up: %+v", b)
		}
	}
}

// codes are those of a report, each once, in order.
func codes(r *fsck.Report) (out []finding.Code) {
	for _, f := range r.Findings {
		out = append(out, f.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// What damages are planted in: nothing is wrong with any of it, with backing devices or without.
func TestSoundImages(t *testing.T) {
	for _, name := range scenes.Bases(t) {
		for _, give := range []int{0, 9} {
			s := scenes.Open(t, name)
			s.Give, s.Verify = min(give, len(s.Back)), give > 0
			if name == "empty-registered" {
				s.Give = 0 // its backing device was never attached
			}
			r := check(t, s)
			if want, ok := oddities[name]; ok && slices.Equal(codes(r), []finding.Code{want}) {
				continue
			}
			if len(r.Findings) > 0 || r.Result != fsck.Clean {
				t.Errorf("%s: %s, %d findings, first %s", name, r.Result, len(r.Findings), r.Findings[0].Message)
			}
		}
	}
}

// oddities are what made images are made for.
var oddities = map[string]finding.Code{"made-tiny-buckets": finding.SBPages, "made-large-buckets": finding.SPGcSectors}
