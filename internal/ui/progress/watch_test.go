// SPDX-License-Identifier: GPL-2.0-only

package progress

import (
	"regexp"
	"strings"
	"testing"
)

func TestWatch(t *testing.T) {
	var lines strings.Builder
	w := new(Watch)
	start := w.Over(Lines(&lines, "dev"))
	a, b := start("nodes", 10), start("extents", 0)
	a.Add(3)
	b.Add(7)
	report := func() string {
		var out strings.Builder
		w.Report(&out, "bctl: ")
		return regexp.MustCompile(`[0-9.]+ s\n`).ReplaceAllString(out.String(), "T\n")
	}
	if got := report(); got != "bctl: nodes: 3 of 10 (30 %), T\nbctl: extents: 7, T\n" {
		t.Errorf("%q", got)
	}
	b.SetMax(14)
	a.Done()
	a.Done()
	if got := report(); got != "bctl: extents: 7 of 14 (50 %), T\n" {
		t.Errorf("%q", got)
	}
	b.Done()
	if got := report(); got != "bctl: nothing is being counted now\n" {
		t.Errorf("%q", got)
	}
	if !strings.Contains(lines.String(), "1 3 10 dev\n") {
		t.Errorf("what is watched is not counted: %q", lines.String())
	}
}

// Work that is counted in bytes has a rate, and an end.
func TestWatchBytes(t *testing.T) {
	var out strings.Builder
	w := new(Watch)
	c := w.Over(Silent)(Bytes("volume 0"), 200<<20)
	c.Add(100 << 20)
	w.Report(&out, "")
	if !regexp.MustCompile(`^volume 0: 104857600 of 209715200 \(50 %\), [0-9.]+ s, [0-9.]+ MiB/s, ETA 0s\n$`).MatchString(out.String()) {
		t.Errorf("%q", out.String())
	}
}
