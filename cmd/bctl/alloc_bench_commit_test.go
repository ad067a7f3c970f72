// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/imgtest"
)

// The command writes what it says, and goes on from what it has written.
func TestCommit(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	before := img.Sum()
	rows := benchResults(t, "--commit", "--policy", "fifo", "--ops", "60", img.Cache)
	if rows[0]["allocations"].(float64) < 60 || rows[0]["prio_writes"].(float64) < 1 {
		t.Errorf("%v", rows[0])
	}
	if img.Sum() == before {
		t.Error("nothing was written")
	}
	if got := bctl("fsck", img.Cache); got.Code != 0 {
		t.Errorf("fsck: exit %d, %s", got.Code, got.Stdout)
	}
	rows = benchResults(t, "--commit", "--ops", "500", img.Cache) // more entries than a journal bucket holds
	if rows[0]["prio_writes"].(float64) < 33 {
		t.Errorf("%v", rows[0])
	}
	if got := bctl("fsck", img.Cache); got.Code != 0 {
		t.Errorf("fsck: exit %d, %s", got.Code, got.Stdout)
	}
}

func TestCommitRefuses(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	before := img.Sum()
	for args, says := range map[string]string{
		"--commit":                                 "no device",
		"--commit --policy all " + img.Cache:       "one policy",
		"--commit --workload zipf " + img.Cache:    "--workload alloc",
		"--commit --trace x " + img.Cache:          "--commit",
		"--commit --buckets 600 " + img.Cache:      "--buckets",
		"--commit --ops 5 --warmup 3 " + img.Cache: "--commit",
	} {
		apptest.WantLine(t, args, bctl(append([]string{"alloc-bench"}, strings.Fields(args)...)...), app.ExitUsage, says)
	}
	fresh := filepath.Join(t.TempDir(), "fresh.img")
	if got := bctl("format", "-C", fresh, "--size", "512M", "-q"); got.Code != 0 {
		t.Fatal(got.Stderr)
	}
	apptest.WantLine(t, "never registered", bctl("alloc-bench", "--commit", fresh), app.ExitCannot, fresh, "never registered")
	if img.Sum() != before {
		t.Error("the image was changed")
	}
}
