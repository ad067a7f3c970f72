// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/scenes"
)

// entries runs show-journal and gives its rows.
func entries(t *testing.T, key string, args ...string) (rows []map[string]any) {
	t.Helper()
	r := bctl(append([]string{"show-journal", "--json"}, args...)...)
	var out map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	if err := json.Unmarshal(out[key], &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// --all shows what another reader of the ring finds, entry by entry and key by key; without it the live ones.
func TestShowJournal(t *testing.T) {
	for _, name := range imgtest.AllNames(t) {
		img := imgtest.Open(t, name)
		before := imgtest.SumFile(t, img.Cache)
		want := scenes.Open(t, name).Entries()
		got := entries(t, "entries", "--all", img.Cache)
		keys := entries(t, "keys", "--all", "--keys", img.Cache)
		g := look(t, img.Cache).Geo
		slices.SortStableFunc(got, func(a, b map[string]any) int { return int(a["seq"].(float64) - b["seq"].(float64)) })
		if len(got) != len(want) {
			t.Fatalf("%s: %d entries, want %d", name, len(got), len(want))
		}
		newest := want[len(want)-1]
		at := map[uint64][]string{}
		for _, k := range keys {
			at[uint64(k["seq"].(float64))] = append(at[uint64(k["seq"].(float64))], k["key"].(string))
		}
		for i, e := range want {
			bucket := func(k *ondisk.Bkey) ondisk.Bucket { return g.BucketOf(k.Ptr[0].Offset()) }
			state := "old"
			if e.Seq >= newest.LastSeq {
				state = "live"
			}
			if e.Seq == newest.Seq {
				state = "newest"
			}
			for key, value := range map[string]any{
				"state": state, "seq": e.Seq, "last_seq": e.LastSeq, "bucket": g.BucketOf(e.Sector), "bucket_offset_sectors": g.Remainder(e.Sector),
				"bytes": e.Bytes, "keys": len(e.Keys), "root": bucket(&e.BtreeRoot.Bkey), "level": e.Level, "uuids": bucket(&e.UUIDBucket.Bkey),
				"prios": e.PrioBucket[0], "trouble": "",
			} {
				if fmt.Sprint(got[i][key]) != fmt.Sprint(value) {
					t.Errorf("%s: entry %d: %s is %v, want %v", name, e.Seq, key, got[i][key], value)
				}
			}
			for j := range e.Keys {
				if j >= len(at[e.Seq]) || at[e.Seq][j] != e.Keys[j].String() {
					t.Errorf("%s: entry %d: key %d is not %s", name, e.Seq, j, e.Keys[j].String())
				}
			}
		}
		if live := entries(t, "entries", img.Cache); len(live) != int(newest.Seq-newest.LastSeq)+1 {
			t.Errorf("%s: %d live entries", name, len(live))
		}
		if imgtest.SumFile(t, img.Cache) != before {
			t.Errorf("%s: it wrote", name)
		}
	}
}

// The names are the same in all three formats.
func TestShowJournalNames(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash").Cache
	for _, flags := range [][]string{{"--all"}, {"--all", "--keys"}} {
		key := map[int]string{1: "entries", 2: "keys"}[len(flags)]
		row := entries(t, key, append(flags, img)...)[0]
		lines, err := csv.NewReader(strings.NewReader(bctl(append([]string{"show-journal", "--format=csv", img}, flags...)...).Stdout)).ReadAll()
		if err != nil || len(lines[0]) != len(row) {
			t.Fatalf("%v: %v, %v", flags, lines[:1], err)
		}
		head, _, _ := strings.Cut(bctl(append([]string{"show-journal", img}, flags...)...).Stdout, "\n")
		for _, name := range lines[0] {
			if _, ok := row[name]; !ok || !slices.Contains(strings.Fields(head), name) {
				t.Errorf("%v: %s is not everywhere", flags, name)
			}
		}
	}
}

// What the kernel does not find, and what is no entry any more, is shown for what it is.
func TestShowJournalDamaged(t *testing.T) {
	var plant func(*damages.Scene)
	for _, d := range damages.Tried {
		if d.Name == "first of several live journal entries destroyed" {
			plant = d.Plant
		}
	}
	path := planted(t, "writeback-crash", plant)[0]
	states := map[any]int{}
	for _, e := range entries(t, "entries", "--all", path) {
		states[e["state"]]++
	}
	if states["damaged"] != 1 || states["unseen"] != 1 || states["newest"] != 1 {
		t.Errorf("%v", states)
	}
	if r := bctl("show-journal", path); r.Code != app.ExitDamage || !strings.Contains(r.Stderr, "the journal is damaged") {
		t.Errorf("%+v", r)
	}
	img := imgtest.Open(t, "empty-registered")
	neverRegistered(t, img)
	if r := bctl("show-journal", "--json", img.Cache); r.Code != 0 || !strings.Contains(r.Stdout, `"entries": []`) {
		t.Errorf("never registered: %+v", r)
	}
	apptest.WantLine(t, "a backing device", bctl("show-journal", img.Backing[0]), app.ExitCannot, "a backing device, it has no journal")
}

// --rewind lists what fsck --rewind takes, and nothing else is taken.
func TestRewind(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	rows := entries(t, "candidates", "--rewind", "--limit", "5", img.Cache)
	if len(rows) != 5 {
		t.Fatalf("%v", rows)
	}
	last := rows[4]
	before := imgtest.SumFile(t, img.Cache)
	apptest.WantLine(t, "no candidate", bctl("fsck", "-qy", "--no-undo", "--rewind", "4711", "--json", img.Cache), app.ExitCannot, "journal entry 4711", "not an entry to rewind to")
	apptest.WantLine(t, "a check", bctl("fsck", "--rewind", "3", img.Cache), app.ExitUsage, "--rewind is about repair")
	if imgtest.SumFile(t, img.Cache) != before {
		t.Error("it wrote")
	}
	undo := img.Cache + ".undo"
	r := bctl("fsck", "-p", "--undo", undo, "--rewind", fmt.Sprint(last["seq"]), img.Cache)
	if r.Code != app.ExitRepaired || !strings.Contains(r.Stdout, "rewound") {
		t.Fatalf("%+v", r)
	}
	if r := bctl("fsck", img.Cache); r.Code != 0 {
		t.Errorf("afterwards: %+v", r)
	}
	if r := bctl("undo", undo, img.Cache); r.Code != 0 || imgtest.SumFile(t, img.Cache) != before {
		t.Errorf("taken back: %+v", r)
	}
}
