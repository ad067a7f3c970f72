// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
)

// What ddrescue did not get is told before anything is written, and as much of it is left then.
func TestWritebackForesees(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash-mid")
	var lost *ondisk.Bkey
	for e := range extentsOf(t, img.Cache) {
		if e.Live && e.Dirty() && lost == nil {
			k := e.Bkey
			lost = &k
		}
	}
	at, size := lost.Ptr[0].Offset().Bytes(), sizeOf(t, img.Cache)
	mapfile := filepath.Join(t.TempDir(), "cache.map")
	text := fmt.Sprintf("0x0 + 1\n0x0 0x%X +\n0x%X 0x400 -\n0x%X 0x%X +\n", at, at, at+0x400, size-at-0x400)
	if err := os.WriteFile(mapfile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, yes := range [][]string{nil, {"--yes"}} {
		told := writeBackJSON(t, app.ExitDamage, append(append([]string{"--mapfile", mapfile}, yes...), img.Paths()...)...)
		if told.Volumes[0].Unread != 2 {
			t.Errorf("%v: %+v", yes, told.Volumes[0])
		}
	}
}

// Each of these says what comes next.
func TestWritebackSaysHowToGoOn(t *testing.T) {
	img := imgtest.Open(t, "version5")
	cache, back := img.Cache, img.Backing[0]
	there := filepath.Join(t.TempDir(), "left.json")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	little := filepath.Join(t.TempDir(), "little.map")
	if err := os.WriteFile(little, []byte("0x0 + 1\n0x0 0x100000 +\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{back, cache}, app.ExitCannot, "the cache is named first"},
		{[]string{"--yes", "--failed", there, cache, back}, app.ExitCannot, "name another"},
		{[]string{"--mapfile", little, cache, back}, app.ExitCannot, "copy the metadata first"},
		{[]string{"--yes", cache, back}, 0, "dirty still"},
		{[]string{"--yes", "--clear", "--no-undo", cache, back}, 0, ""},
	} {
		r := bctl(append([]string{"writeback"}, x.args...)...)
		if r.Code != x.code || !strings.Contains(r.Stderr, x.want) || x.want == "" && strings.Contains(r.Stderr, "dirty still") {
			t.Errorf("%v: %+v", x.args, r)
		}
	}
}
