// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
)

// superImage writes an image with that superblock; the checksum is made right.
func superImage(t *testing.T, s *ondisk.Super) string {
	t.Helper()
	s.Csum = s.Checksum()
	return rawImage(t, s.Append(make([]byte, ondisk.SuperOffset)))
}

func rawImage(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var showSuperKeys = []string{
	"format_version", "device", "type", "version", "uuid", "set_uuid", "label", "block_sectors", "bucket_sectors", "nbuckets",
	"first_bucket", "journal_buckets", "nr_in_set", "nr_this_dev", "sync", "discard", "replacement", "cache_mode", "state",
	"data_offset_sectors", "seq", "last_mount", "csum", "features",
}

// showJSON runs show-super --json, and holds its keys to the list.
func showJSON(t *testing.T, path string) (map[string]any, apptest.Result) {
	t.Helper()
	r := bctl("show-super", path, "--json")
	var o map[string]any
	if err := json.Unmarshal([]byte(r.Stdout), &o); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	if got, want := slices.Sorted(maps.Keys(o)), slices.Sorted(slices.Values(showSuperKeys)); !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	return o, r
}

func TestShowSuperVersions(t *testing.T) {
	for version, want := range map[uint64]map[string]any{
		0: {"type": "cache", "nbuckets": 2048.0, "bucket_sectors": 256.0, "sync": false, "replacement": "lru", "cache_mode": nil, "data_offset_sectors": nil},
		1: {"type": "backing", "nbuckets": nil, "replacement": nil, "sync": nil, "cache_mode": "writethrough", "state": "none", "data_offset_sectors": 16.0},
		3: {"type": "cache", "first_bucket": 1.0, "nr_in_set": 1.0, "nr_this_dev": 0.0, "journal_buckets": 0.0, "discard": false},
		4: {"type": "backing", "data_offset_sectors": 32.0},
		5: {"type": "cache", "bucket_sectors": 256.0},
		6: {"type": "backing", "data_offset_sectors": 32.0, "state": "none"},
	} {
		s := plainSuper(version)
		copy(s.Label[:], "home")
		path := superImage(t, s)
		o, r := showJSON(t, path)
		maps.Copy(want, map[string]any{
			"format_version": 1.0, "device": path, "version": float64(version), "label": "home", "block_sectors": 8.0,
			"uuid": "fe010203-0405-0607-0809-0a0b0c0d0e0f", "set_uuid": "ab000000-0000-0000-0000-00000000000c",
			"seq": 7.0, "last_mount": 1234567890.0,
		})
		for key, v := range want {
			if o[key] != v {
				t.Errorf("version %d: %s is %v, want %v", version, key, o[key], v)
			}
		}
		sum := fmt.Sprintf("0x%016x", s.Csum)
		if c, ok := o["csum"].(map[string]any); !ok || c["ok"] != true || c["stored"] != sum || c["computed"] != sum || len(sum) != 18 {
			t.Errorf("version %d: csum %v", version, o["csum"])
		}
		if f, ok := o["features"].([]any); !ok || len(f) > 0 {
			t.Errorf("version %d: features %v", version, o["features"])
		}
		if r.Code != 0 || r.Stderr != "" {
			t.Errorf("version %d: %+v", version, r)
		}
		for _, format := range []string{"table", "csv"} {
			if r := bctl("--format", format, "show-super", path); r.Code != 0 || !strings.Contains(r.Stdout, "fe010203-0405") || strings.Contains(r.Stdout, "nil") {
				t.Errorf("version %d: %+v", version, r)
			}
		}
	}
}

func TestShowSuperFields(t *testing.T) {
	for _, c := range []struct {
		version uint64
		edit    func(s *ondisk.Super)
		key     string
		want    any
	}{
		{3, func(s *ondisk.Super) { s.Flags = 3 | 1<<2 }, "replacement", "fifo"},
		{3, func(s *ondisk.Super) { s.Flags = 3 | 2<<2 }, "replacement", "random"},
		{3, func(s *ondisk.Super) { s.Flags = 3 | 7<<2 }, "replacement", "unknown (7)"},
		{3, func(s *ondisk.Super) { s.Flags = 1 }, "sync", true},
		{3, func(s *ondisk.Super) { s.Flags = 2 }, "discard", true},
		{1, func(s *ondisk.Super) { s.Flags = 1 | 1<<61 }, "cache_mode", "writeback"},
		{1, func(s *ondisk.Super) { s.Flags = 2 }, "cache_mode", "writearound"},
		{1, func(s *ondisk.Super) { s.Flags = 3 }, "cache_mode", "none"},
		{1, func(s *ondisk.Super) { s.Flags = 1 | 1<<61 }, "state", "clean"},
		{1, func(s *ondisk.Super) { s.Flags = 2 << 61 }, "state", "dirty"},
		{1, func(s *ondisk.Super) { s.Flags = 3 << 61 }, "state", "stale"},
		{5, func(s *ondisk.Super) { s.FeatureIncompat, s.BucketSize = 2, 16 }, "bucket_sectors", 65536.0},
		{5, func(s *ondisk.Super) { s.FeatureIncompat, s.ObsoBucketSizeHi = 1, 2 }, "bucket_sectors", 131328.0},
		{3, func(s *ondisk.Super) { s.Keys = 16 }, "journal_buckets", 16.0},
	} {
		s := plainSuper(c.version)
		c.edit(s)
		if o, _ := showJSON(t, superImage(t, s)); o[c.key] != c.want {
			t.Errorf("%s is %v, want %v", c.key, o[c.key], c.want)
		}
	}
	s := plainSuper(5)
	s.FeatureCompat, s.FeatureROCompat, s.FeatureIncompat = 1, 1<<40, 1|2|8
	o, _ := showJSON(t, superImage(t, s))
	want := []any{"unknown_compat_0x1", "unknown_ro_compat_0x10000000000", "obso_large_bucket", "large_bucket", "unknown_incompat_0x8"}
	if f, ok := o["features"].([]any); !ok || !slices.Equal(f, want) {
		t.Errorf("features %v", o["features"])
	}
}

// A superblock that is damaged is shown, named on stderr, and exit 4.
func TestShowSuperDamaged(t *testing.T) {
	for name, edit := range map[string]func(s *ondisk.Super){
		"bad checksum":                            func(s *ondisk.Super) { s.Csum++ },
		"bad offset":                              func(s *ondisk.Super) { s.Offset = 9; s.Csum = s.Checksum() },
		"not a bcache superblock (bad magic)":     func(s *ondisk.Super) { s.Magic[3] ^= 1 },
		"unsupported superblock version: 2":       func(s *ondisk.Super) { s.Version = 2; s.Csum = s.Checksum() },
		"unsupported superblock version: 1000000": func(s *ondisk.Super) { s.Version = 1000000; s.Csum = s.Checksum() },
	} {
		s := plainSuper(3)
		s.Csum = s.Checksum()
		edit(s)
		path := rawImage(t, s.Append(make([]byte, ondisk.SuperOffset)))
		o, r := showJSON(t, path)
		if r.Code != app.ExitDamage || !strings.Contains(r.Stderr, name) || !strings.HasPrefix(r.Stderr, `{"error":{"code":"damaged","message":"`+path+": ") {
			t.Errorf("%s: %+v", name, r)
		}
		if c, ok := o["csum"].(map[string]any); !ok || c["ok"] != (name != "bad checksum" && !strings.Contains(name, "magic")) {
			t.Errorf("%s: csum %v", name, o["csum"])
		}
		if o["uuid"] != "fe010203-0405-0607-0809-0a0b0c0d0e0f" {
			t.Errorf("%s: not shown", name)
		}
		if r := bctl("show-super", path); r.Code != app.ExitDamage || !strings.Contains(r.Stdout, "fe010203-") {
			t.Errorf("%s: table: %+v", name, r)
		}
	}
}

// What holds no superblock is one line, no output and exit 8; where a cache may have been, a hint leads on.
func TestShowSuperNotBcache(t *testing.T) {
	for name, path := range map[string]string{
		"empty":     rawImage(t, nil),
		"short":     rawImage(t, make([]byte, 8191)),
		"zeroes":    rawImage(t, make([]byte, 1<<20)),
		"ext4":      rawImage(t, append(make([]byte, 1080), 0x53, 0xef)),
		"random":    rawImage(t, []byte(strings.Repeat("\x8b\x17", 1<<15))),
		"directory": t.TempDir(),
		"missing":   filepath.Join(t.TempDir(), "missing"),
		"device":    "/dev/null",
	} {
		r := bctl("show-super", path)
		line, rest, _ := strings.Cut(r.Stderr, "\n")
		if hinted := strings.HasPrefix(rest, "hint: ") && strings.Count(rest, "\n") == 1; rest != "" && !hinted {
			t.Errorf("%s: %q after %q", name, rest, line)
		}
		if r.Code != app.ExitCannot || r.Stdout != "" || !strings.HasPrefix(r.Stderr, "bctl: "+path+": ") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, args := range [][]string{{"show-super"}, {"show-super", "--bogus", "a"}, {"show-super", "a", "--format=xml"}} {
		apptest.WantLine(t, strings.Join(args, " "), bctl(args...), app.ExitUsage)
	}
}

func TestShowSuperTable(t *testing.T) {
	s := plainSuper(3)
	s.Flags = 1
	copy(s.Label[:], "\x1b[31mred")
	path := superImage(t, s)
	r := bctl("show-super", path)
	want := `device           ` + path + `
type             cache
version          3 (with uuids)
uuid             fe010203-0405-0607-0809-0a0b0c0d0e0f
set uuid         ab000000-0000-0000-0000-00000000000c
label            \x1b[31mred
block            8 sectors (4 KiB)
bucket           256 sectors (128 KiB)
buckets          2048
first bucket     1
journal buckets  0
caches in set    1
number in set    0
sync             yes
discard          no
replacement      lru
seq              7
last mount       2009-02-13 23:31:30 UTC
checksum         ` + fmt.Sprintf("0x%016x", s.Csum) + ` (ok)
features         none
`
	if r.Stdout != want || r.Code != 0 {
		t.Errorf("%d\n%s", r.Code, r.Stdout)
	}
}
