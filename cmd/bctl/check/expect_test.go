// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

var update = flag.Bool("update", false, "write testdata/expect anew")

// given are a scene's devices, as a check gets them.
func devicesOf(s *damages.Scene) (devs []fsck.Device, images []*planter.Image) {
	images = append([]*planter.Image{s.Main}, s.Back[:s.Give]...)
	for i, m := range images {
		name := "cache"
		if i > 0 || s.Main != s.Image {
			name = fmt.Sprintf("back%d", max(0, i-1))
		}
		devs = append(devs, fsck.Device{Name: name, R: m, Size: m.Size(), LogicalBlock: 512})
	}
	devs[0].LogicalBlock = max(512, s.Logical)
	return devs, images
}

// A trial is one run of fsck with a flag that repairs, on devices that nobody writes to.
type trial struct {
	text  string // of both outputs, as a terminal shows them
	code  int
	r     *repair.Result
	wrote bool
	devs  []fsck.Device // as they are afterwards
}

// try does what runFsck does, but for the claim, the undo file and the writing.
func try(t *testing.T, o repairOptions, run fsck.Options, devs []fsck.Device) (out trial) {
	t.Helper()
	plan := repair.Options{Options: run, Only: o.policy.Only, Skip: o.policy.Skip}
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], plan)
	if errors.Is(err, superblock.ErrNotBcache) { // --scan
		if plan.Hints.Marks, err = superblock.FindMarks(context.Background(), devs[0].R, devs[0].Size, nil); err == nil {
			r, err = repair.Plan(context.Background(), devs[0], devs[1:], plan)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	out.r, out.devs = r, slices.Clone(devs)
	var b bytes.Buffer
	if rep := r.Before; rep != nil {
		if err := writeReport(&b, render.Table, rep, shown{}); err != nil {
			t.Fatal(err)
		}
		if !o.wants(rep) {
			if rep.Result == fsck.Damaged {
				out.code = app.ExitDamage
				fmt.Fprintf(&b, "\nnot repaired: %s\n", o.unmended(rep))
			}
			out.text = b.String()
			return out
		}
		fmt.Fprintln(&b)
	}
	done := repaired{result: r, why: o.refuses(r)}
	if done.why == "" {
		tellLost(&b, r)
		out.wrote = true
		for i, p := range r.Plans {
			if p != nil {
				out.devs[i].R = p.Overlay(devs[i].R)
			}
		}
	}
	b.WriteString(done.text())
	out.text = b.String()
	switch {
	case !out.wrote:
		out.code = app.ExitDamage
	case r.After.Result == fsck.Damaged:
		out.code = app.ExitRepaired | app.ExitDamage
	default:
		out.code = app.ExitRepaired
	}
	return out
}

// expectations are the sections of the catalogue, each a file of testdata/expect.
func expectations() map[string][]damages.Damage {
	return map[string][]damages.Damage{"tried": damages.Tried, "invariants": damages.Proved(), "bounds": damages.Boundaries, "gone": damages.Gone, "legal": damages.Legal}
}

// stays are the codes of damage that no repair takes away, each for the reason in its row, or because what would tell
// is not on the devices of the test.
var stays = []finding.Code{
	finding.SBBlockLogical, finding.SBFeatures, finding.SBByteOrder, finding.SPReserve, finding.BDBlock, finding.BDDuplicate,
	finding.BDStripes, // no filesystem stands behind any offset
	finding.JRNone,    // of the other byte order
	finding.BDSuper,   // blocks below the medium's
	finding.BDState,   // attached, without the cache that says to which set
	finding.SBVersion, // a backing device alone, which looks like neither kind
	finding.SBNoGeometry,
	finding.JRUnread, finding.PRUnread, finding.UUUnread, finding.BTUnread, // without --force
}

// TestExpect keeps what fsck -y says of each damage at its first run and at its second, as e2fsck's expect.1 and expect.2
// do: whoever changes a word or a repair sees what becomes of all of them, and reviews it like code (-update writes it).
// Every damage is gone after the first run, a second finds none, and a third would write nothing.
func TestExpect(t *testing.T) {
	if testing.Short() {
		t.Skip("repairs every damage of the catalogue: not for the race detector, which fsck/repair's tests are for")
	}
	for name, list := range expectations() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, d := range list {
				fmt.Fprintf(&b, "==== %s (%s)\n%s", d.Name, d.Base, expect(t, d))
			}
			path := filepath.Join("testdata", "expect", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			compareText(t, string(want), b.String())
		})
	}
}

// expect is the text of two runs over one damage.
func expect(t *testing.T, d damages.Damage) string {
	t.Helper()
	s := scenes.Open(t, d.Base)
	d.Plant(s)
	devs, images := devicesOf(s)
	var sums []string
	for _, m := range images {
		sums = append(sums, m.Sum())
	}
	yes := repairOptions{policy: finding.Policy{Mode: finding.Yes}}
	run := fsck.Options{Now: damages.Now, Verify: s.Verify}
	first := try(t, yes, run, devs)
	for i, m := range images {
		if m.Sum() != sums[i] {
			t.Fatalf("%s: a plan wrote", d.Name)
		}
	}
	text := fmt.Sprintf("-- -y, exit %d\n%s", first.code, brief(first.text))
	if !first.wrote {
		for c := range repair.Damage(first.r.Before) {
			if c != finding.EXStaleData && first.code == app.ExitDamage && !slices.ContainsFunc(stays, func(s finding.Code) bool { return repair.Damage(first.r.Before)[s] > 0 }) {
				t.Errorf("%s: %s stays", d.Name, c)
			}
		}
		return text
	}
	second := try(t, yes, run, first.devs)
	text += fmt.Sprintf("-- again, exit %d\n%s", second.code, brief(second.text))
	if first.code != app.ExitRepaired || second.code != 0 {
		t.Errorf("%s: exit %d, again %d\n%s", d.Name, first.code, second.code, text)
	}
	for i, p := range second.r.Plans {
		if p != nil {
			t.Errorf("%s: a second run would write to device %d", d.Name, i)
		}
	}
	preens(t, d, first.r)
	return text
}

// fewLines is how many lines of one kind are kept.
const fewLines = 4

// brief leaves out most of a list.
func brief(text string) string {
	var b strings.Builder
	kind, n := "", 0
	end := func(next string) {
		if n > fewLines {
			fmt.Fprintf(&b, "... %d lines like these\n", n-fewLines)
		}
		kind, n = next, 0
	}
	for line := range strings.Lines(text) {
		this := ""
		for _, list := range []string{"given up: ", "  volume  ", "  backing  "} {
			if strings.HasPrefix(line, list) {
				this = list
			}
		}
		if this != kind {
			end(this)
		}
		if n++; this == "" || n <= fewLines {
			b.WriteString(line)
		}
		if this == "" {
			n = 0
		}
	}
	end("")
	return b.String()
}

// compareText fails for the first line that differs, with the damage it is about.
func compareText(t *testing.T, want, got string) {
	t.Helper()
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	about := ""
	for i := range max(len(a), len(b)) {
		x, y := "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if strings.HasPrefix(y, "==== ") {
			about = y
		}
		if x != y {
			t.Errorf("%s, line %d:\n%s\nwant\n%s\ngo test ./cmd/bctl/check -run TestExpect -update writes all anew", about, i+1, y, x)
			return
		}
	}
}

// preens holds what -p does to a damage that -y mends against the table: it mends where every code is safe, and nothing
// that stays is in doubt.
func preens(t *testing.T, d damages.Damage, r *repair.Result) {
	t.Helper()
	for _, c := range d.Codes {
		if r := finding.Lookup(c); r.Severity == finding.Damage && r.Fix == finding.Lossy {
			return // as it comes
		}
	}
	if slices.Contains(d.Codes, finding.JRLost) && r.Unknown {
		return // the entries that are found again are safe; one before them is gone
	}
	o := repairOptions{policy: finding.Policy{Mode: finding.Preen}}
	why := o.refuses(r)
	if doubt := r.Doubtful() > 0; doubt && why == "" {
		t.Errorf("%s: -p leaves %d dirty sectors of which nobody knows that they are current", d.Name, r.Doubtful())
	} else if why != "" && !doubt && len(d.Codes) > 0 {
		t.Errorf("%s: every code of %v can be mended without loss, and -p: %s", d.Name, d.Codes, why)
	}
}

// only is fsck -y --only, or --skip.
func only(skip []finding.Code, codes ...finding.Code) repairOptions {
	return repairOptions{policy: finding.Policy{Mode: finding.Yes, Only: codes, Skip: skip}}
}

// TestOnly: what --only names goes, legal states too, where the table says that there is a repair; what it does not name,
// or --skip does, stays.
func TestOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("repairs every damage of the catalogue: not for the race detector, which fsck/repair's tests are for")
	}
	tried := map[finding.Code]bool{}
	run := fsck.Options{Now: damages.Now}
	for _, d := range slices.Concat(damages.Proved(), damages.Tried) {
		for _, c := range d.Codes {
			row := finding.Lookup(c)
			if row.Severity == finding.Damage || row.Fix == finding.None || tried[c] {
				continue
			}
			tried[c] = true
			s := scenes.Open(t, d.Base)
			d.Plant(s)
			devs, _ := devicesOf(s)
			run.Verify = s.Verify
			got := try(t, only(nil, c), run, devs)
			if !got.wrote || slices.ContainsFunc(got.r.After.Findings, func(f finding.Finding) bool { return f.Code == c }) {
				t.Errorf("%s, --only %s: %s", d.Name, c, got.r.Evidence)
				t.Log(got.text)
			}
			if dirty, _ := given(got.r); dirty > 0 && row.Fix == finding.Safe {
				t.Errorf("%s, --only %s: %d dirty sectors are given up", d.Name, c, dirty)
			}
			if left := try(t, only([]finding.Code{c}), run, devs); left.wrote && slices.Equal(d.Codes, []finding.Code{c}) {
				t.Errorf("%s, --skip %s: something was written", d.Name, c)
			}
		}
	}
}
