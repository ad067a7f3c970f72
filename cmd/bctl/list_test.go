// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/cmd/bctl/app/apptest"
	"bctl/inspect/sets"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/superblock"
)

// listed is what list says, and its exit code.
func listed(t *testing.T, args ...string) (rows []sets.Row, groups []sets.Set, code int) {
	t.Helper()
	got := bctl(append([]string{"list", "-J"}, args...)...)
	var o struct {
		Sets    []sets.Set
		Devices []sets.Row
	}
	if err := json.Unmarshal([]byte(got.Stdout), &o); err != nil {
		t.Fatalf("%v: %v: %s", args, err, got.Stderr)
	}
	return o.Devices, o.Sets, got.Code
}

// uuidIn is the uuid in the superblock of an image file.
func uuidIn(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := superblock.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return s.UUID.String()
}

// Every image's devices are one set, whatever their order, with the kernel's count of what is dirty.
func TestListImages(t *testing.T) {
	for _, facts := range imgtest.All {
		if !slices.Contains(pairedImages, facts.Name) && facts.Name != "detached-crash" {
			continue
		}
		img := imgtest.Open(t, facts.Name)
		before := img.Sum()
		paths := img.Paths()
		slices.Reverse(paths)
		rows, groups, code := listed(t, paths...)
		attached := slices.DeleteFunc(slices.Clone(groups), func(s sets.Set) bool { return len(s.Missing) == 0 && s.Cache != nil })
		if code != 0 || len(groups) != 1 || len(attached) > 0 || *groups[0].Cache != img.Cache {
			t.Errorf("%s: exit %d, %+v", facts.Name, code, groups)
		}
		for _, v := range facts.Volumes {
			i := slices.IndexFunc(rows, func(r sets.Row) bool { return r.Inode != nil && *r.Inode == v.Inode })
			switch {
			case i < 0 && v.Dirty > 0:
				t.Errorf("%s: no volume %d", facts.Name, v.Inode)
			case i >= 0 && (rows[i].Dirty == nil || *rows[i].Dirty != uint64(v.Dirty)*512 || rows[i].Registered):
				t.Errorf("%s: %+v, the kernel has %+v", facts.Name, rows[i], v)
			case i >= 0 && v.Backing >= 0 && (rows[i].Type != "backing" || *rows[i].Device != img.Backing[v.Backing]):
				t.Errorf("%s: %+v", facts.Name, rows[i])
			}
		}
		if img.Sum() != before {
			t.Errorf("%s: it was changed", facts.Name)
		}
	}
}

// What is missing is named by its uuid, be it the cache or a backing device.
func TestListMissing(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	lost := uuidIn(t, img.Backing[1])
	for _, quick := range []string{"--quick", "--quiet"} {
		rows, groups, _ := listed(t, quick, img.Cache, img.Backing[0])
		if len(rows) != 4 || len(groups) != 1 || !slices.Equal(groups[0].Missing, []string{lost}) {
			t.Errorf("%+v", groups)
		}
		for _, r := range rows {
			if r.Missing != (r.UUID != nil && *r.UUID == lost) || r.Missing && (r.Device != nil || *r.Inode != 1) || (r.Dirty == nil) != (quick == "--quick") {
				t.Errorf("%s: %+v", quick, r)
			}
		}
	}
	rows, groups, code := listed(t, img.Backing[0])
	if len(rows) != 2 || rows[0].Type != "cache" || !rows[0].Missing || groups[0].Missing[0] != *rows[1].Set || rows[1].Dirty != nil || code != 0 {
		t.Errorf("without a cache: exit %d, %+v", code, rows)
	}
	if text := bctl("scan", img.Cache, img.Backing[0]).Stdout; !strings.Contains(text, "MISSING "+lost) {
		t.Errorf("no word of it:\n%s", text)
	}
}

// Two devices with one uuid, a damaged cache, one that is attached to nothing, and what is none of bcache's.
func TestListOdd(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	rows, _, _ := listed(t, img.Cache, img.Backing[0], imgtest.Open(t, "two-backing-flash").Backing[0])
	if n := slices.IndexFunc(rows, func(r sets.Row) bool { return r.Trouble != nil && strings.Contains(*r.Trouble, "same uuid") }); n != 2 {
		t.Errorf("%+v", rows)
	}
	paths := planted(t, "two-backing-flash", func(s *damages.Scene) {
		s.Flip(s.Root().Sector().Bytes()+16, 1)
		planter.EditSuper(s.Back[1], func(sb *ondisk.Super) { sb.SetState(ondisk.StateNone); sb.SetUUID[3] ^= 1 })
	})
	rows, groups, code := listed(t, paths...)
	last := rows[len(rows)-1]
	if code != 4 || len(groups) != 1 || last.Set != nil || *last.State != "none" || *last.Dirty != 0 {
		t.Errorf("exit %d, %+v", code, rows)
	}
	for _, r := range rows[:len(rows)-1] {
		if r.Dirty != nil || (r.Type == "cache") != (r.Trouble != nil) {
			t.Errorf("what is dirty cannot be known: %+v", r)
		}
	}
	if text := bctl("list", paths[0], paths[2]); !strings.Contains(text.Stdout, "unknown") || !strings.Contains(text.Stdout, "attached to nothing") || text.Code != 4 {
		t.Errorf("exit %d:\n%s", text.Code, text.Stdout)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	apptest.WantLine(t, "not bcache", bctl("list", other), 8, other)
	apptest.WantLine(t, "twice", bctl("list", other, other), 16, other)
}

// The formats say the same; a line a device is an object of its own.
func TestListFormats(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	rows, _, _ := listed(t, img.Paths()...)
	lines := strings.Split(strings.TrimSpace(bctl(append([]string{"list", "--json-lines"}, img.Paths()...)...).Stdout), "\n")
	table, err := csv.NewReader(strings.NewReader(bctl(append([]string{"list", "--format=csv"}, img.Paths()...)...).Stdout)).ReadAll()
	if err != nil || len(lines) != len(rows) || len(table) != len(rows)+1 {
		t.Fatalf("%d rows, %d lines, %d of CSV: %v", len(rows), len(lines), len(table), err)
	}
	for i, r := range rows {
		want, _ := json.Marshal(r)
		if lines[i] != string(want) {
			t.Errorf("%s, want %s", lines[i], want)
		}
		var keys map[string]any
		if err := json.Unmarshal(want, &keys); err != nil || len(keys) != len(table[0]) {
			t.Fatal(keys, err)
		}
		for j, name := range table[0] {
			if v, ok := keys[name]; !ok || v == nil && table[i+1][j] != "" {
				t.Errorf("%s: %v, CSV %q", name, v, table[i+1][j])
			}
		}
	}
	apptest.WantLine(t, "both", bctl("list", "--json-lines", "--json", img.Cache), 16, "--json-lines")
}

// Several devices are shown one after the other, and what is wrong with one does not hide the others.
func TestShowSuperSeveral(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	var got struct{ Devices []map[string]any }
	if err := json.Unmarshal([]byte(bctl(append([]string{"show-super", "-J"}, img.Paths()...)...).Stdout), &got); err != nil || len(got.Devices) != 3 {
		t.Fatalf("%d, %v", len(got.Devices), err)
	}
	for i, path := range img.Paths() {
		var one map[string]any
		if err := json.Unmarshal([]byte(bctl("show-super", "-J", path).Stdout), &one); err != nil {
			t.Fatal(err)
		}
		delete(one, "format_version")
		a, _ := json.Marshal(one)
		if b, _ := json.Marshal(got.Devices[i]); string(a) != string(b) {
			t.Errorf("%s alone, %s with others", a, b)
		}
	}
	lines, err := csv.NewReader(strings.NewReader(bctl("show-super", "--format=csv", img.Cache, img.Backing[0]).Stdout)).ReadAll()
	if err != nil || len(lines) != 3 || lines[0][0] != "device" || lines[2][0] != img.Backing[0] {
		t.Errorf("%v, %v", lines, err)
	}
	imgtest.Flip(t, img.Backing[0], 4096+60, 1)
	missing := filepath.Join(img.Dir, "missing")
	both := bctl("show-super", missing, img.Backing[0], img.Cache)
	if both.Code != 8 || !strings.Contains(both.Stderr, missing) || strings.Count(both.Stdout, "set uuid") != 2 {
		t.Errorf("exit %d, %s\n%s", both.Code, both.Stderr, both.Stdout)
	}
	if got := bctl("show-super", img.Backing[0], img.Cache); got.Code != 4 || !strings.Contains(got.Stderr, "checksum") {
		t.Errorf("exit %d, %s", got.Code, got.Stderr)
	}
}

// A flash-only volume that was destroyed is not called a detached device's.
func TestListDestroyed(t *testing.T) {
	img := imgtest.Open(t, "detached-reattached")
	if r := bctl("list", img.Cache); r.Code != 0 || strings.Count(r.Stdout, "destroyed") != 1 || strings.Contains(r.Stdout, "no slot leads to") {
		t.Errorf("%+v", r)
	}
}
