// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

var (
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)$`)
	oneLabel   = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"`)
)

// samples parses the text format: each metric has its HELP and TYPE before its samples, and no sample comes twice. The
// keys are NAME or NAME/LABEL=VALUE with the labels but for the device.
func samples(t *testing.T, path string) map[string]float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(string(b), "\n") {
		t.Fatalf("%v, %q", err, b)
	}
	out, helped, typed := map[string]float64{}, map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if words := strings.Fields(line); words[0] == "#" {
			seen := helped
			if words[1] == "TYPE" {
				seen = typed
				if words[3] != "gauge" || !helped[words[2]] {
					t.Errorf("%q", line)
				}
			}
			if seen[words[2]] {
				t.Errorf("twice: %q", line)
			}
			seen[words[2]] = true
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || !typed[m[1]] {
			t.Fatalf("%q", line)
		}
		key := m[1]
		for _, l := range oneLabel.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "device" {
				key += "/" + l[1] + "=" + l[2]
			}
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if _, twice := out[key]; err != nil || twice {
			t.Errorf("%q: %v, twice %v", line, err, twice)
		}
		out[key] = v
	}
	return out
}

// The file says what fsck says; it is replaced whole, also where the check finds damage or cannot be made.
func TestPrometheus(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	dir := t.TempDir()
	file := filepath.Join(dir, "bctl.prom")
	if r := bctl("fsck", "--prometheus", file, img.Cache); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	got := samples(t, file)
	for key, want := range map[string]float64{
		"bctl_fsck_success": 1, "bctl_fsck_damaged": 0, "bctl_fsck_complete": 1, "bctl_fsck_findings/severity=damage": 0,
		"bctl_volume_dirty_sectors/inode=0/uuid=dde67576-8ad8-4dbe-892f-8f439b8840d6/label=home": 37448,
		"bctl_volume_dirty_sectors/inode=1/uuid=f2c05193-0f95-4c45-b603-e8544be1f1a7/label=":     35200,
		"bctl_volume_dirty_sectors/inode=2/uuid=a41af1c7-90c3-9e2e-c875-b4ca4744e9d7/label=":     16472,
		"bctl_buckets": 2048, "bctl_free_buckets": 1153, "bctl_journal_buckets": 16, "bctl_journal_buckets_used": 1,
		"bctl_uuid_slots": 1024, "bctl_uuid_slots_free": 1021,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
	if got["bctl_fsck_last_run_timestamp_seconds"] < 1700000000 {
		t.Errorf("%v", got)
	}
	bad := filepath.Join(dir, "a \"bad\\ one.img")
	if r := bctl("generate", bad, "--extents", "300", "--damage", "PR01"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := bctl("fsck", "--prometheus", file, bad); r.Code != 4 {
		t.Fatalf("%+v", r)
	}
	got = samples(t, file)
	if _, known := got["bctl_gen_distance_max"]; known || got["bctl_fsck_damaged"] != 1 || got["bctl_fsck_findings/severity=damage"] < 1 || got["bctl_fsck_complete"] != 0 {
		t.Errorf("%v", got)
	}
	if r := bctl("fsck", "-p", "--prometheus", file, bad); r.Code != 1 {
		t.Errorf("%+v", r)
	}
	if got = samples(t, file); got["bctl_fsck_damaged"] != 0 {
		t.Errorf("repaired: %v", got)
	}
	if r := bctl("fsck", "--prometheus", file, filepath.Join(dir, "missing")); r.Code != 8 {
		t.Errorf("%+v", r)
	}
	if got = samples(t, file); got["bctl_fsck_success"] != 0 || len(got) != 2 {
		t.Errorf("%v", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("%v is left", entries)
	}
	for _, no := range []string{dir, filepath.Join(dir, "none", "x.prom"), "/dev/null"} {
		if r := bctl("fsck", "--prometheus", no, img.Cache); r.Code != 8 || !strings.Contains(r.Stderr, "--prometheus") {
			t.Errorf("%s: %+v", no, r)
		}
	}
}

// metadata-size refuses what cannot be, and names the flag.
func TestMetadataSize(t *testing.T) {
	for args, says := range map[string]string{
		"": "--size", "--size x": "--size", "--size 1M": "--size", "--size 2T --bucket 3k": "--bucket", "--size 2T --bucket 4k": "--bucket",
		"--size 2T --block 8k": "--block", "--size 1G --extents 300000": "--extents", "--size 2T extra": "extra",
	} {
		if r := bctl(append([]string{"metadata-size"}, strings.Fields(args)...)...); r.Code != 16 || !strings.Contains(r.Stderr, says) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	r := bctl("metadata-size", "--size", "2T", "--bucket", "512k", "--extents", "16000000")
	if r.Code != 0 || !strings.Contains(r.Stdout, "4194304 of 512") || !strings.Contains(r.Stdout, "registration") {
		t.Errorf("%+v", r)
	}
}
