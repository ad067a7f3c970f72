// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
)

// generated makes an image and returns what was said of it.
func generated(t *testing.T, args ...string) (path string, said map[string]any) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "cache.img")
	got := bctl(append([]string{"generate", path, "--json"}, args...)...)
	if got.Code != 0 || got.Stderr != "" {
		t.Fatalf("%v: exit %d, said %q", args, got.Code, got.Stderr)
	}
	if err := json.Unmarshal([]byte(got.Stdout), &said); err != nil {
		t.Fatal(err)
	}
	return path, said
}

// What was ordered is there, the other commands read it, and it takes next to no room.
func TestGenerate(t *testing.T) {
	path, said := generated(t, "--buckets", "4000", "--bucket", "128k", "--block", "512", "--extents", "30000", "--dirty-ratio", "0.5",
		"--volumes", "3", "--stale", "0.1", "--bsets", "4", "--seed", "7")
	for key, want := range map[string]float64{
		"size_bytes": 4000 * 128 << 10, "nbuckets": 4000, "volumes": 3, "extents": 30000, "dirty_extents": 15000, "stale_extents": 3000, "seed": 7, "btree_depth": 1,
	} {
		if said[key] != want {
			t.Errorf("%s: %v, want %v", key, said[key], want)
		}
	}
	got := bctl("fsck", "--json", path)
	var report struct {
		Findings []any
		Summary  struct {
			Btree struct {
				Extents, Nodes float64
				Stale          float64 `json:"stale_extents"`
			}
			Volumes []any
		}
	}
	if err := json.Unmarshal([]byte(got.Stdout), &report); err != nil || got.Code != 0 {
		t.Fatalf("exit %d, %v", got.Code, err)
	}
	if b := report.Summary.Btree; b.Extents != 30000 || b.Stale != 3000 || b.Nodes != said["btree_nodes"] || len(report.Summary.Volumes) != 3 {
		t.Errorf("fsck sees %+v and %d volumes", b, len(report.Summary.Volumes))
	}
	again, _ := generated(t, "--buckets", "4000", "--bucket", "128k", "--block", "512", "--extents", "30000", "--dirty-ratio", "0.5",
		"--volumes", "3", "--stale", "0.1", "--bsets", "4", "--seed", "7")
	if imgtest.SumFile(t, path) != imgtest.SumFile(t, again) {
		t.Error("the same numbers made other bytes")
	}
}

// Most of the catalogue can be planted, and then shows.
func TestGenerateDamaged(t *testing.T) {
	codes := damages.Codes()
	if testing.Short() {
		codes = []finding.Code{"SB03", "JR04", "PR01", "UU03", "BT04", "EX07", "GN01"}
	}
	planted := 0
	for _, code := range codes {
		path := filepath.Join(t.TempDir(), "cache.img")
		got := bctl("generate", path, "--buckets", "800", "--bucket", "64k", "--extents", "4000", "--fill", "30", "--damage", string(code), "--json")
		if got.Code != 0 {
			if got.Code != app.ExitUsage || !strings.Contains(got.Stderr, "planted") {
				t.Errorf("%s: exit %d, said %q", code, got.Code, got.Stderr)
			}
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%s: a file is left behind", code)
			}
			continue
		}
		planted++
		if check := bctl("fsck", "--format=csv", path); !strings.Contains(check.Stdout, string(code)) {
			t.Errorf("%s: fsck finds\n%s", code, check.Stdout)
		}
	}
	if planted < len(codes)*3/5 {
		t.Errorf("%d of %d codes could be planted", planted, len(codes))
	}
	t.Logf("%d of %d codes can be planted", planted, len(codes))
}

func TestGenerateRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.img")
	for _, test := range []struct{ args, says string }{
		{"--extents 2000000", "room"},
		{"--buckets 100", "513"},
		{"--bucket 3k", "power of two"},
		{"--block 512k", "block"},
		{"--dirty-ratio 1.5", "dirty-ratio"},
		{"--dirty-ratio NaN", "dirty-ratio"},
		{"--stale x", "stale"},
		{"--volumes 0", "volumes"},
		{"--bsets 0", "bsets"},
		{"--bsets 1000", "bsets"},
		{"--seed -1", "seed"},
		{"--damage XX99", "XX99"},
		{"--damage BT04:0", "BT04"},
		{"--damage BT04:900", "BT04:900"},
		{"--buckets 100000 --extents 300000 --damage BT04", "200000"},
	} {
		args := append([]string{"generate", path}, strings.Fields(test.args)...)
		apptest.WantLine(t, test.args, bctl(args...), app.ExitUsage, test.says)
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: a file is left behind", test.args)
			os.Remove(path)
		}
	}
	apptest.WantLine(t, "no file", bctl("generate"), app.ExitUsage)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	apptest.WantLine(t, "a file that is there", bctl("generate", path), app.ExitCannot, path)
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("the file that was there: %q, %v", b, err)
	}
}
