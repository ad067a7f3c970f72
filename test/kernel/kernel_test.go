// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bctl-kernel-test-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binDir = dir
		return m.Run()
	}())
}

// each runs a test for every kernel series, side by side: an emulated processor takes one core.
func each(t *testing.T, do func(t *testing.T, k Kernel)) { t.Helper(); eachOf(t, Series, do) }

// eachOf is each for some series. Without one that Debian no longer has it goes on, and says so.
func eachOf(t *testing.T, list []string, do func(t *testing.T, k Kernel)) {
	for _, series := range list {
		k := needKernel(t, series) // one after the other: it may have to be fetched
		if k.Image == "" {
			continue
		}
		t.Run("linux-"+series, func(t *testing.T) { t.Parallel(); do(t, k) })
	}
}

// The lab itself: an untouched disk, a fact, the end.
func TestBoot(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k Kernel) {
		disk := newFile(t, "empty", 1<<20)
		r := Boot{Kernel: k, Disks: []Disk{{Name: "empty", Path: disk}}, Script: "case_ one\nsay size $(blockdev --getsize64 /disk/empty)\nregister empty"}.Run(t)
		c := r.Case("one")
		if c.Fact("size") != "1048576" || c.Fact("registered.empty") != "no" {
			t.Errorf("facts %v, log %q", c.Facts, c.Log)
		}
	})
}
