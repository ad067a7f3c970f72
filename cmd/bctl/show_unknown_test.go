// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
)

// What could not be read is null for scripts, unknown for people, and never 0.
func TestShowUnknown(t *testing.T) {
	root := planted(t, "writeback-crash", func(s *damages.Scene) { s.Flip(s.Root().Sector().Bytes()+16, 1) })[0]
	chain := planted(t, "writeback-crash", func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+5000, 0) })[0]
	names := planted(t, "writeback-crash", func(s *damages.Scene) {
		s.EditNewest(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, 1<<40, 0) })
	})[0]
	sound := planted(t, "writeback-crash", func(*damages.Scene) {})[0]
	object := func(args ...string) (m map[string]any) {
		t.Helper()
		if err := json.Unmarshal([]byte(bctl(args...).Stdout), &m); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return m
	}
	for _, path := range []string{root, chain, names, sound} {
		m := object("show-buckets", "--summary", "--json", path)
		if want := path == sound; m["complete"] != want {
			t.Errorf("%s: complete %v", path, m["complete"])
		}
		for _, key := range []string{"unused_pct", "clean_pct", "dirty_pct", "metadata_pct", "average_prio", "quantiles"} {
			if isNull, want := m[key] == nil, path == root || path == chain; isNull != want {
				t.Errorf("%s: %s is %v", path, key, m[key])
			}
		}
		text := bctl("show-buckets", "--summary", path).Stdout
		if strings.Contains(text, "unknown") != (path != sound) {
			t.Errorf("%s:\n%s", path, text)
		}
	}
	if v := object("show-buckets", "--summary", "--json", chain)["volumes"].([]any)[0].(map[string]any); v["dirty_sectors"] != nil || v["seen_dirty_sectors"] != float64(58160) {
		t.Errorf("%v", v)
	}
	if v := object("show-buckets", "--summary", "--json", names)["volumes"].([]any)[0].(map[string]any); v["dirty_sectors"] != float64(58160) || v["label"] != nil || v["uuid"] != nil {
		t.Errorf("%v", v)
	}
	for what, plant := range map[string]func(s *damages.Scene){
		"sizes": func(s *damages.Scene) {
			s.Main.Put(ondisk.SuperOffset+0xb8, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
		},
		"journal": func(s *damages.Scene) {
			s.Main.Put(s.Geo.Start(s.Geo.FirstBucket).Bytes(), make([]byte, 16*s.Geo.BucketSectors.Bytes()))
		},
		"names": func(s *damages.Scene) {
			s.Main.Put(s.Geo.Start(s.UUIDBucket()).Bytes(), bytes.Repeat([]byte{0xa5}, 4096))
		},
	} {
		path := planted(t, "two-backing-flash", plant)[0]
		m := object("show-buckets", "--summary", "--json", path)
		if m["complete"] != false || (m["volumes"] == nil) != (what != "names") || (m["dirty_pct"] == nil) != (what != "names") {
			t.Errorf("%s: %v", what, m)
		}
		if r := bctl("show-buckets", "--summary", path); r.Code != 4 || !strings.Contains(r.Stdout, "unknown") || strings.Contains(r.Stdout, "a5a5") {
			t.Errorf("%s: exit %d, %s%s", what, r.Code, r.Stdout, r.Stderr)
		}
		if r := bctl("fsck", path); r.Code != 4 || !strings.Contains(r.Stdout, "unknown") || strings.Contains(r.Stdout, "a5a5") || strings.Count(r.Stdout, "\n") > 40 {
			t.Errorf("%s: exit %d, %s", what, r.Code, r.Stdout)
		}
		if m := object("fsck", "--json", path); m["complete"] != false || m["result"] != "damaged" {
			t.Errorf("%s: %v", what, m)
		}
	}
	row := func(path, n string) map[string]any {
		return object("show-buckets", "--json", "--bucket", n, path)["buckets"].([]any)[0].(map[string]any)
	}
	if r := row(root, "1500"); r["mark"] != nil || r["sectors"] != nil || r["gen"] == nil {
		t.Errorf("root lost: %v", r)
	}
	if r := row(chain, "85"); r["disk_gen"] != nil || r["prio"] != nil || r["gen"] == nil || r["mark"] != "dirty" {
		t.Errorf("chain lost: %v", r)
	}
	if r := row(sound, "85"); r["disk_gen"] == nil || r["prio"] == nil || r["gen"] == nil || r["mark"] != "dirty" || r["sectors"] == nil {
		t.Errorf("sound: %v", r)
	}
	if set := object("show-prios", "--json", chain)["sets"].([]any)[0].(map[string]any); set["gens_differ"] != nil || set["prios_differ"] != nil || set["seq"] == nil {
		t.Errorf("%v", set)
	}
	if m := bctl("show-buckets", "--map", root).Stdout; !strings.Contains(m, "? unknown") || strings.Contains(m, ". free") {
		t.Errorf("the map of a lost tree:\n%s", m)
	}
}
