// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"context"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/scenes"
)

// A check that leaves out the leaves, as the one behind a repair does, misses nothing that stands in them.
func TestNoLeaves(t *testing.T) {
	for _, name := range []string{"discard-random", "writeback-crash-mid", "version5"} {
		s := scenes.Open(t, name)
		dev := fsck.Device{Name: name, R: s.Image, Size: s.Size(), LogicalBlock: 512}
		rep, err := fsck.Run(context.Background(), dev, nil, fsck.Options{Leaves: func(ondisk.Bucket) bool { return false }})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range rep.Findings {
			if f.Severity == finding.Damage {
				t.Errorf("%s: %s %s", name, f.Code, f.Message)
			}
		}
	}
}
