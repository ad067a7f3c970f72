// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
)

// What tune changes is what bcache-super-show and fsck see; everything else stays, and undo brings all of it back.
func TestTune(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	before := img.Sum()
	undo := t.TempDir() + "/u"
	label := strings.Repeat("x", 31) + "y" // all 32 bytes
	cacheBefore := imgtest.SumFile(t, img.Cache)
	if r := bctl("tune", img.Backing[0], "--label", label, "--cache-mode", "writearound", "--undo", undo); r.Code != 0 || !strings.Contains(r.Stdout, "writearound (was writeback)") {
		t.Fatalf("%+v", r)
	}
	shown := runAs("bcache-super-show", img.Backing[0])
	for _, want := range []string{label, "[writearound]", "[match]"} {
		if !strings.Contains(shown.Stdout, want) {
			t.Errorf("no %q in %s", want, shown.Stdout)
		}
	}
	if imgtest.SumFile(t, img.Cache) != cacheBefore {
		t.Error("the cache was written to")
	}
	if r := bctl("undo", undo, img.Backing[0]); r.Code != 0 || img.Sum() != before {
		t.Errorf("undone, it is not as before: %+v", r)
	}
	if r := bctl("tune", img.Cache, "--replacement", "fifo", "--discard", "on", "--label", "fast", "--undo", undo+"2"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	var told map[string]any
	if err := json.Unmarshal([]byte(bctl("show-super", "--json", img.Cache).Stdout), &told); err != nil || told["replacement"] != "fifo" || told["discard"] != true || told["label"] != "fast" {
		t.Errorf("%v, %v", told, err)
	}
	if r := bctl(append([]string{"fsck"}, img.Paths()...)...); r.Code != 0 {
		t.Errorf("exit %d, %s", r.Code, r.Stdout)
	}
	wantVolumes(t, "tuned", img)
	if r := bctl("undo", undo+"2", img.Cache); r.Code != 0 || img.Sum() != before {
		t.Errorf("undone, it is not as before: %+v", r)
	}
}

// With the cache named, slot and superblock have the same label: fsck has nothing to say of it.
func TestTuneLabelOfSlot(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	if r := bctl("tune", img.Backing[0], img.Cache, "--label", "photos", "--no-undo"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	r := bctl(append([]string{"fsck"}, img.Paths()...)...)
	if r.Code != 0 || strings.Contains(r.Stdout, "label") || strings.Count(r.Stdout, `"photos"`) != 2 {
		t.Errorf("exit %d, %s", r.Code, r.Stdout)
	}
	wantVolumes(t, "relabelled", img)
}

// A state is changed only where a cache proves that nothing is lost by it.
func TestTuneState(t *testing.T) {
	dirty, clean, never := imgtest.Open(t, "two-backing-flash"), imgtest.Open(t, "fifo-full"), imgtest.Open(t, "empty-registered")
	lost := orphan(t)
	var set ondisk.UUID
	editBacking(t, dirty.Backing[0], func(s *ondisk.Super) { set = s.SetUUID })
	editBacking(t, lost.Backing[0], func(s *ondisk.Super) { s.SetUUID = set; s.SetState(ondisk.StateDirty) })
	stale := imgtest.Open(t, "fifo-full")
	editBacking(t, stale.Backing[0], func(s *ondisk.Super) { s.SetState(ondisk.StateStale) })
	for _, test := range []struct {
		img  *imgtest.Image
		args string
		code int
		says string
		is   string
	}{
		{dirty, "B C --state clean", 8, "37448 sectors", "dirty"},
		{dirty, "B C --state none --cache-lost", 8, "37448 sectors", "dirty"},
		{dirty, "B --state none", 8, "--cache-lost", "dirty"},
		{lost, "B C --state none", 8, "invalidated with dirty data", "dirty"},
		{dirty, "B --state dirty", 16, "--state", "dirty"},
		{dirty, "B --replacement lru", 16, "--replacement", "dirty"},
		{dirty, "C --state none", 16, "--state", "dirty"},
		{dirty, "C C --label x", 16, "cache device", "dirty"},
		{dirty, "B --label 123456789012345678901234567890123", 16, "33 bytes", "dirty"},
		{dirty, "B --label a\tb", 16, "printable", "dirty"},
		{dirty, "B --cache-mode fast", 16, "--cache-mode", "dirty"},
		{dirty, "B --cache-lost", 16, "--state", "dirty"},
		{clean, "B C --state none -n", 0, "nothing was written", "clean"},
		{stale, "B C --state clean", 8, "--state none", "stale"},
		{stale, "B C --state none", 0, "", "none"},
		{clean, "B C --state none", 0, "", "none"},
		{clean, "B C --state clean", 8, "no set uuid", "none"},
		{never, "B --state clean", 8, "", "none"},
		{dirty, "B --state none --cache-lost --no-undo", 0, "given up", "none"},
	} {
		var args []string
		for _, a := range strings.Split(test.args, " ") {
			switch a {
			case "B":
				a = test.img.Backing[0]
			case "C":
				a = test.img.Cache
			}
			args = append(args, a)
		}
		before := imgtest.SumFile(t, test.img.Backing[0])
		r := bctl(append([]string{"tune"}, args...)...)
		if r.Code != test.code || !strings.Contains(r.Stderr, test.says) {
			t.Errorf("%s of %s: exit %d, want %d and %q: %s%s", test.args, test.img.Name, r.Code, test.code, test.says, r.Stdout, r.Stderr)
		}
		if wrote := imgtest.SumFile(t, test.img.Backing[0]) != before; wrote != (test.code == 0 && test.says != "nothing was written") {
			t.Errorf("%s of %s: written %v", test.args, test.img.Name, wrote)
		}
		if shown := bctl("tune", test.img.Backing[0], "--format", "csv").Stdout + bctl("tune", test.img.Backing[0]).Stdout; !strings.Contains(shown, test.is) {
			t.Errorf("%s: not %s but %s", test.args, test.is, shown)
		}
	}
	r := bctl("fsck", clean.Cache, clean.Backing[0])
	if r.Code != 0 {
		t.Errorf("detached: exit %d, %s", r.Code, r.Stdout)
	}
	if got := imgtest.Read(t, clean.Backing[0], 4096+56, 16); fmt.Sprintf("%x", got) != strings.Repeat("0", 32) {
		t.Errorf("still of set %x", got)
	}
}
