// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
)

// everySubject is one of each kind of thing that a finding may be about, with all members.
func everySubject() []finding.Subject {
	key, bucket := new(ondisk.Bkey), new(ondisk.Bucket)
	return []finding.Subject{
		finding.Super{Device: "x"},
		finding.Node{Key: key},
		finding.Bset{Node: finding.Node{Key: key}},
		finding.Ring{},
		finding.JournalBlock{},
		finding.JournalEntry{},
		finding.JournalKey{},
		finding.PrioLink{},
		finding.Bucket{},
		finding.Slot{},
		finding.Volume{},
		finding.Extent{Bucket: bucket, VolumeEnd: 8},
		finding.Backing{Device: "x"},
		finding.Bytes{},
	}
}

// seenAs is a value as a reader of JSON has it.
func seenAs(t *testing.T, v any) (out map[string]any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// wideRuns are what each damage of the catalogue is tried on, all that reads before what writes. ALL are cache and backing
// devices.
var wideRuns = []string{
	"fsck CACHE", "fsck ALL", "fsck --verify-data ALL", "show-super ALL", "list ALL", "list CACHE", "show-journal CACHE", "show-journal --all --keys CACHE",
	"show-journal --rewind CACHE", "show-prios CACHE", "show-uuids --all CACHE", "show-btree CACHE", "show-extents --limit 20 CACHE",
	"show-buckets --limit 20 CACHE", "show-buckets --summary CACHE", "uuid list CACHE", "uuid purge --leftover CACHE", "uuid relink CACHE BACK", "check-pair ALL",
	"tune CACHE", "tune BACK", "super find CACHE", "super unwipe CACHE", "super unwipe BACK", "rewrite-prios -n CACHE", "rewrite-prios -n --from-btree ALL",
	"detach -n CACHE BACK", "writeback ALL", "tune -n --state none BACK CACHE", "fsck -p --undo UNDO ALL", "fsck -y --no-undo ALL", "writeback --yes --clear ALL",
	"format -n --wipe-bcache -C CACHE -b 64k",
}

// wideOutputs adds what commands print of every damage of the catalogue, and of what is left after the repairs: minutes.
func wideOutputs(t *testing.T, out map[string][]any) {
	t.Helper()
	seen := map[string]bool{}
	for _, code := range damages.Codes() {
		for _, d := range damages.Showing(code) {
			if seen[d.Base+d.Name] {
				continue
			}
			seen[d.Base+d.Name] = true
			wideOf(t, out, planted(t, d.Base, d.Plant))
		}
	}
	if len(seen) < 200 {
		t.Errorf("%d damages", len(seen))
	}
	flips := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		base := []string{"two-backing-flash", "detached-reattached", "writeback-crash", "fifo-full"}[i%4]
		wideOf(t, out, planted(t, base, func(s *damages.Scene) {
			places := slices.Concat(s.Chain(), []ondisk.Bucket{0, s.UUIDBucket(), s.Geo.FirstBucket, s.Geo.FirstBucket + ondisk.Bucket(s.Newest().Ring), s.Geo.BucketOf(s.Root().Sector())})
			for range 1 + flips.IntN(3) {
				s.Flip(s.Geo.Start(places[flips.IntN(len(places))]).Bytes()+flips.Int64N(1<<16), uint(flips.IntN(8)))
			}
		}))
	}
}

// wideOf adds what commands print of a set.
func wideOf(t *testing.T, out map[string][]any, paths []string) {
	t.Helper()
	back := slices.Concat(paths, paths[:1])[1]
	dir := t.TempDir()
	for _, line := range wideRuns {
		var args []string
		for _, word := range strings.Fields(line) {
			switch word {
			case "CACHE":
				args = append(args, paths[0])
			case "BACK":
				args = append(args, back)
			case "ALL":
				args = append(args, paths...)
			case "UNDO":
				args = append(args, filepath.Join(dir, "undo"))
			default:
				args = append(args, word)
			}
		}
		addOutputs(t, out, line, args)
	}
	for _, path := range paths {
		_ = os.Remove(path)
	}
}
