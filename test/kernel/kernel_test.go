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

// each runs a test for every kernel series, one after the other: a virtual machine takes both cores.
func each(t *testing.T, do func(t *testing.T, k Kernel)) {
	for _, series := range Series {
		t.Run("linux-"+series, func(t *testing.T) { do(t, needKernel(t, series)) })
	}
}

// The lab itself: an untouched disk, a fact, the end.
func TestBoot(t *testing.T) {
	each(t, func(t *testing.T, k Kernel) {
		disk := newFile(t, "empty", 1<<20)
		r := Boot{Kernel: k, Disks: []Disk{{Name: "empty", Path: disk}}, Script: "case_ one\nsay size $(blockdev --getsize64 /disk/empty)\nregister empty"}.Run(t)
		c := r.Case("one")
		if c.Fact("size") != "1048576" || c.Fact("registered.empty") != "no" {
			t.Errorf("facts %v, log %q", c.Facts, c.Log)
		}
	})
}
