// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/prio"
)

// What is shown of each set is what stands on the device, and looking changes nothing.
func TestShowPrios(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		img := imgtest.Open(t, name)
		before := imgtest.SumFile(t, img.Cache)
		c := look(t, img.Cache)
		var out struct {
			Device string           `json:"device"`
			Per    int              `json:"prios_per_bucket"`
			Sets   []map[string]any `json:"sets"`
		}
		r := bctl("show-prios", "--json", img.Cache)
		if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || r.Code != 0 || r.Stderr != "" {
			t.Fatalf("%s: %v, %+v", name, err, r)
		}
		if out.Device != img.Cache || out.Per != c.Geo.PriosPerBucket() || len(out.Sets) != c.Geo.PrioBuckets() {
			t.Errorf("%s: %+v", name, out)
		}
		set, err := prio.Read(c.Reader(), &c.Geo, c.Chain.Links[0].Bucket)
		if err != nil {
			t.Fatal(err)
		}
		gens := 0
		for b := range c.Geo.NBuckets {
			if set.Data[b].Gen != c.Buckets.Gen(b) {
				gens++
			}
		}
		for key, want := range map[string]any{
			"set": 0, "bucket": c.Journal.Newest.PrioBucket[0], "seq": set.Seq, "next_bucket": set.NextBucket, "csum": "ok",
			"first_bucket": 0, "last_bucket": c.Geo.NBuckets - 1, "gens_differ": gens, "error": "",
		} {
			if fmt.Sprint(out.Sets[0][key]) != fmt.Sprint(want) {
				t.Errorf("%s: %s is %v, want %v", name, key, out.Sets[0][key], want)
			}
		}
		if table := bctl("show-prios", img.Cache); table.Code != 0 || strings.Count(table.Stdout, "\n") < 2 || !strings.Contains(table.Stdout, fmt.Sprint(set.Seq)) {
			t.Errorf("%s: %+v", name, table)
		}
		if imgtest.SumFile(t, img.Cache) != before {
			t.Errorf("%s: it wrote", name)
		}
	}
}

// --raw shows every byte of the header and every entry.
func TestShowPriosRaw(t *testing.T) {
	img := imgtest.Open(t, "fifo-full")
	c := look(t, img.Cache)
	l := c.Chain.Links[0]
	r := bctl("show-prios", "--raw", img.Cache)
	lines := strings.Split(strings.TrimSuffix(r.Stdout, "\n"), "\n")
	if r.Code != 0 || r.Stderr != "" || len(lines) != 1+6+int(c.Geo.NBuckets) {
		t.Fatalf("exit %d, %s, %d lines", r.Code, r.Stderr, len(lines))
	}
	if want := fmt.Sprintf("set 0, bucket %d, byte %d", l.Bucket, c.Geo.Start(l.Bucket).Bytes()); lines[0] != want {
		t.Errorf("%q, want %q", lines[0], want)
	}
	raw := img.Read(c.Geo.Start(l.Bucket).Bytes(), ondisk.PrioSetBytes+3*int(c.Geo.NBuckets))
	for b := range c.Geo.NBuckets {
		at := ondisk.PrioSetBytes + 3*int(b)
		want := fmt.Sprintf("  %6d  %-16x  bucket %d: prio %d, gen %d", at, raw[at:at+3], b, c.Buckets.Prio(b), c.Buckets.DiskGen(b))
		if got := lines[7+b]; got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	for _, format := range []string{"--json", "--format=csv"} {
		apptest.WantLine(t, format, bctl("show-prios", "--raw", format, img.Cache), app.ExitUsage, "--raw is text")
	}
}

// Of a damaged chain, what is left is shown; of a device that has none, that it has none.
func TestShowPriosDamaged(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	spoilChain(t, img)
	for _, args := range [][]string{{"show-prios", img.Cache}, {"show-prios", "--raw", img.Cache}} {
		r := bctl(args...)
		if r.Code != app.ExitDamage || !strings.Contains(r.Stdout, "bad checksum") || !strings.Contains(r.Stderr, "is damaged") {
			t.Errorf("%q: %+v", args, r)
		}
	}
	neverRegistered(t, img)
	if r := bctl("show-prios", "--json", img.Cache); r.Code != 0 || !strings.Contains(r.Stdout, `"sets": []`) {
		t.Errorf("never registered: %+v", r)
	}
	apptest.WantLine(t, "a backing device", bctl("show-prios", img.Backing[0]), app.ExitCannot, "a backing device, it has no buckets")
}
