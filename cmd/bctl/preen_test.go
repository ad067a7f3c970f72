// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
)

// Dirty data whose gens are lost with the prio chain may be old. -p leaves the chain as it is then, and says who would
// do it; -y says of which volume, and does it. Where nothing is dirty, -p does it.
func TestPreenLeavesDoubt(t *testing.T) {
	apptest.StateIn(t)
	chain := func(base string) string {
		return planted(t, base, func(s *damages.Scene) {
			s.Main.Put(s.Geo.Start(s.Chain()[0]).Bytes(), slices.Repeat([]byte{0xa5}, 4096))
		})[0]
	}
	path := chain("writeback-crash")
	before := imgtest.SumFile(t, path)
	if got := bctl("fsck", path); got.Code != app.ExitDamage || !strings.Contains(got.Stdout, "bctl fsck -y --lost") {
		t.Errorf("the report does not say what -p leaves: exit %d, %s", got.Code, got.Stdout)
	}
	got := bctl("fsck", "-p", path)
	if got.Code != app.ExitDamage || !strings.Contains(got.Stdout, "not repaired: 28.4 MiB of dirty data may be old") || !strings.Contains(got.Stdout, "-y ") {
		t.Errorf("-p: exit %d, %s", got.Code, got.Stdout)
	}
	if imgtest.SumFile(t, path) != before {
		t.Error("-p wrote")
	}
	got = bctl("fsck", "-y", "--no-undo", path)
	if got.Code != app.ExitRepaired || !strings.Contains(got.Stderr, "perhaps old: volume 0, 376fb2fd-22a9-4bfd-a0e3-15db4d4276c2: 58160 dirty sectors") {
		t.Errorf("-y: exit %d, %s%s", got.Code, got.Stdout, got.Stderr)
	}
	got = bctl("fsck", "-y", "--no-undo", "--json", chain("writeback-crash"))
	var out struct {
		Unconfirmed []struct {
			Volume  string
			Inode   int
			Sectors int `json:"dirty_sectors"`
		}
		Buckets []struct{ First, Last int } `json:"unconfirmed_buckets"`
	}
	if err := json.Unmarshal([]byte(got.Stdout), &out); err != nil || got.Code != app.ExitRepaired {
		t.Fatalf("%v: %+v", err, got)
	}
	if len(out.Unconfirmed) != 1 || out.Unconfirmed[0].Sectors != 58160 || out.Unconfirmed[0].Volume != "376fb2fd-22a9-4bfd-a0e3-15db4d4276c2" || len(out.Buckets) == 0 {
		t.Errorf("%+v", out)
	}
	if got = bctl("fsck", "-p", "--no-undo", chain("fifo-full")); got.Code != app.ExitRepaired {
		t.Errorf("nothing dirty: exit %d, %s%s", got.Code, got.Stdout, got.Stderr)
	}
}
