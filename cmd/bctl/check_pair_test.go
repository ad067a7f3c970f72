// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"bctl/cmd/bctl/app/apptest"
	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
)

// paired is what check-pair says, and its exit code.
func paired(t *testing.T, paths ...string) (pairs []fsck.Attachment, code int) {
	t.Helper()
	got := bctl(append([]string{"check-pair", "--json"}, paths...)...)
	var o struct{ Pairs []fsck.Attachment }
	if err := json.Unmarshal([]byte(got.Stdout), &o); err != nil {
		t.Fatalf("%v: %v: %s", paths, err, got.Stderr)
	}
	return o.Pairs, got.Code
}

// pairedImages are small, and two-backing-flash, which has two backing devices.
var pairedImages = []string{"two-backing-flash", "writeback-crash-mid", "detached-reattached", "version5", "discard-random", "read-misses"}

// The kernel attached the devices of every image by itself, to the volume that it says.
func TestCheckPairImages(t *testing.T) {
	for _, facts := range imgtest.All {
		if !slices.Contains(pairedImages, facts.Name) {
			continue
		}
		img := imgtest.Open(t, facts.Name)
		pairs, code := paired(t, img.Paths()...)
		for _, v := range facts.Volumes {
			if v.Backing >= 0 && (code != 0 || pairs[v.Backing].Attach != fsck.ByItself || *pairs[v.Backing].Inode != v.Inode || len(pairs[v.Backing].Reasons) > 0) {
				t.Errorf("%s: exit %d, %+v", facts.Name, code, pairs[v.Backing])
			}
		}
	}
}

// Each reason why not is named by its code, with a way out; one that is none of the devices' fault has no code.
func TestCheckPairReasons(t *testing.T) {
	back := func(change func(sb *ondisk.Super)) func(s *damages.Scene) {
		return func(s *damages.Scene) { planter.EditSuper(s.Back[0], change) }
	}
	other := func(sb *ondisk.Super) { sb.SetUUID[0] ^= 1 }
	full := func(s *damages.Scene) {
		for i := range s.Geo.NrUUIDs() {
			s.EditSlot(i, func(u *ondisk.UUIDEntry) {
				if u.UUID.IsZero() {
					u.UUID, u.Invalidated = ondisk.InvalidUUID, 1
				}
			})
		}
	}
	for what, test := range map[string]struct {
		plant  func(s *damages.Scene)
		attach string
		code   finding.Code // "" for a reason without one
		says   string
	}{
		"K28 block size": {back(func(sb *ondisk.Super) { sb.BlockSize = 1 }), fsck.Refused, finding.BDBlock, "blocks of 512 bytes"},
		"K30 no slot":    {back(func(sb *ondisk.Super) { sb.UUID[5] ^= 1 }), fsck.Refused, finding.BDNoSlot, "no slot"},
		"K31 no room": {func(s *damages.Scene) {
			full(s)
			back(func(sb *ondisk.Super) { sb.UUID[5] ^= 1; sb.SetState(ondisk.StateNone) })(s)
		}, fsck.Refused, finding.BDNoRoom, "no slot is free"},
		"K31 no room, stale": {func(s *damages.Scene) { full(s); back(func(sb *ondisk.Super) { sb.SetState(ondisk.StateStale) })(s) }, fsck.Refused, finding.BDNoRoom, "no slot is free"},
		"K32 no data":        {back(func(sb *ondisk.Super) { sb.Version, sb.Nbuckets = ondisk.VersionBackingOffset, 1<<40 }), fsck.Refused, finding.BDStripes, "data offset"},
		"U14 mode":           {back(func(sb *ondisk.Super) { sb.SetCacheMode(9) }), fsck.Refused, finding.BDState, "cache mode"},
		"U14 another set":    {back(func(sb *ondisk.Super) { other(sb); sb.UUID[5] ^= 1 }), fsck.Refused, "", "dirty"},
		"left its data here": {back(other), fsck.Refused, finding.BDOtherSet, "dirty sectors"},
		"clean, another set": {back(func(sb *ondisk.Super) { other(sb); sb.UUID[5] ^= 1; sb.SetState(ondisk.StateClean) }), fsck.IfTold, "", "attached to set"},
		"none, another set":  {back(func(sb *ondisk.Super) { other(sb); sb.UUID[5] ^= 1; sb.SetState(ondisk.StateNone) }), fsck.IfTold, "", "does not name"},
		"none, this set":     {back(func(sb *ondisk.Super) { sb.UUID[5] ^= 1; sb.SetState(ondisk.StateNone) }), fsck.ByItself, "", ""},
		"dirty data dropped": {back(func(sb *ondisk.Super) { sb.SetState(ondisk.StateStale) }), fsck.Harmful, finding.BDDropped, "drops"},
		"superblock":         {func(s *damages.Scene) { s.Back[0].Flip(4096+60, 1) }, fsck.Refused, finding.BDSuper, "checksum"},
		"the cache's chain":  {func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+5000, 0) }, fsck.Refused, finding.PRChecksum, "does not take the cache"},
		"slots cannot be read": {func(s *damages.Scene) {
			s.EditNewest(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, 1<<40, 0) })
		}, fsck.Refused, finding.JRUUIDBucket, "does not take the cache"},
	} {
		paths := planted(t, "writeback-crash-mid", test.plant)
		pairs, code := paired(t, paths...)
		p := pairs[0]
		if p.Attach != test.attach || (code == 0) != p.Fine() || code != 0 && code != 4 {
			t.Errorf("%s: exit %d, %+v", what, code, p)
		}
		i := slices.IndexFunc(p.Reasons, func(r fsck.Reason) bool {
			return (r.Code == nil && test.code == "" || r.Code != nil && *r.Code == test.code) && strings.Contains(r.Text, test.says)
		})
		if test.says == "" != (len(p.Reasons) == 0) || test.says != "" && (i < 0 || p.Reasons[i].WayOut == "") {
			t.Errorf("%s: %+v", what, p.Reasons)
		}
	}
}

// Two with one uuid: the kernel attaches the first of them. Of a detached one the data stay behind.
func TestCheckPairOdd(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	pairs, code := paired(t, img.Cache, img.Backing[0], imgtest.Open(t, "two-backing-flash").Backing[0])
	if code != 4 || !pairs[0].Fine() || pairs[1].Attach != fsck.Refused || *pairs[1].Reasons[0].Code != finding.BDDuplicate {
		t.Errorf("exit %d, %+v", code, pairs)
	}
	text := bctl("check-pair", img.Cache, img.Backing[1])
	if text.Code != 0 || !strings.Contains(text.Stdout, "attaches by itself, volume 1") {
		t.Errorf("exit %d, %s", text.Code, text.Stdout)
	}
	apptest.WantLine(t, "alone", bctl("check-pair", img.Cache), 16, "no backing device")
	apptest.WantLine(t, "no cache", bctl("check-pair", img.Backing[0]), 8, img.Backing[0])
	for format, want := range map[string]string{"csv": "device,uuid,attach,inode,reasons\n", "table": "does not attach\n"} {
		got := bctl("check-pair", img.Cache, imgtest.Open(t, "detached-reattached").Backing[0], "--format", format)
		if !strings.Contains(got.Stdout, want) || !strings.Contains(got.Stdout, "blocks of 512 bytes") || got.Code != 4 {
			t.Errorf("%s: exit %d\n%s", format, got.Code, got.Stdout)
		}
	}
}
