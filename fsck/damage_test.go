// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// TestDamages plants every damage of the catalogue, each alone, and asks for its codes and no others.
func TestDamages(t *testing.T) {
	for group, list := range map[string][]damages.Damage{
		"tried": damages.Tried, "proved": damages.Proved(), "legal": damages.Legal, "boundary": damages.Boundaries,
	} {
		t.Run(group, func(t *testing.T) {
			for i, d := range list {
				if testing.Short() && i%4 > 0 {
					continue // the race detector's: it takes ten times as long, and all go the same ways
				}
				t.Run(d.Name, func(t *testing.T) { t.Parallel(); find(t, d) })
			}
		})
	}
}

// find plants a damage and compares what is found.
func find(t *testing.T, d damages.Damage) {
	t.Helper()
	s := scenes.Open(t, d.Base)
	d.Plant(s)
	want := slices.Sorted(slices.Values(d.Codes))
	r := check(t, s)
	if got := codes(r); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
		for _, f := range r.Findings[:min(len(r.Findings), 40)] {
			t.Logf("  %s %s %s", f.Code, f.Severity, f.Message)
		}
	}
}

// A code that stands for several damages says which.
func TestCauses(t *testing.T) {
	for _, c := range damages.Causes() {
		s := scenes.Open(t, c.Base)
		c.Plant(s)
		found := false
		r := check(t, s)
		for _, f := range r.Findings {
			found = found || f.Code == c.Code && strings.Contains(f.Message, c.Says)
		}
		if !found {
			t.Errorf("%s: no %s %q in %v", c.Base, c.Code, c.Says, codes(r))
			for _, f := range r.Findings[:min(4, len(r.Findings))] {
				t.Logf("  %s %s", f.Code, f.Message)
			}
		}
	}
}

// A stale dirty pointer names what may be lost.
func TestStaleDirtyNamesTheSectors(t *testing.T) {
	s := scenes.Open(t, "writeback-dirty")
	k := s.Extent((*ondisk.Bkey).Dirty).Key
	b := s.Geo.BucketOf(k.Ptr[0].Offset())
	s.SetGen(b, k.Ptr[0].Gen()+1)
	for _, f := range check(t, s).Findings {
		if f.Code == finding.EXStaleDirty && *f.OffsetSectors == uint64(k.Start()) {
			if *f.Inode != uint64(k.Inode()) || *f.Sectors != uint64(k.Size()) || *f.Bucket != uint64(b) || *f.Sector != uint64(k.Ptr[0].Offset()) {
				t.Errorf("%+v is not %s", f, k.String())
			}
			return
		}
	}
	t.Errorf("%s is not named", k.String())
}

// Any bit that flips under a checksum shows, wherever it is.
func TestBitFlips(t *testing.T) {
	base := scenes.Open(t, "writeback-crash")
	sb, newest, root := base.Super(), base.Newest(), base.Root()
	type region struct {
		name    string
		from, n int64
		every   int64
		at      finding.Severity
	}
	regions := []region{
		{"superblock", ondisk.SuperOffset, 208 + 8*int64(sb.Keys), 5, finding.Damage},
		{"newest journal entry", newest.Sector.Bytes(), int64(newest.Bytes), 9, finding.Warning},
		{"prio set", base.Geo.Start(base.Chain()[0]).Bytes(), base.Geo.MetaSectors.Bytes(), 6000, finding.Damage},
	}
	for i, set := range base.Sets(root) {
		at := (root.Sector() + set.At).Bytes()
		regions = append(regions, region{fmt.Sprintf("header of bset %d", i), at, ondisk.BsetBytes, 3, finding.Damage},
			region{fmt.Sprintf("keys of bset %d", i), at + ondisk.BsetBytes, set.Bytes() - ondisk.BsetBytes, 16000, finding.Damage})
	}
	for _, r := range regions {
		if testing.Short() {
			r.every *= 5
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for at := r.from; at < r.from+r.n; at += r.every {
				s := scenes.Open(t, "writeback-crash")
				bit := uint(at) % 8
				s.Flip(at, bit)
				seen := check(t, s)
				if seen.Result != fsck.Damaged && (r.at == finding.Damage || len(seen.Findings) == 0) {
					t.Errorf("bit %d of byte %d flipped: %v", bit, at-r.from, codes(seen))
				}
			}
		})
	}
}

// Dirty data under an empty slot are no damage where the backing device has them, and are where it lacks one sector.
func TestEmptySlotIsCompared(t *testing.T) {
	for _, lacks := range []bool{false, true} {
		s := scenes.Open(t, "detached-crash")
		s.Give = 1
		s.EditSlot(0, func(u *ondisk.UUIDEntry) { *u = ondisk.UUIDEntry{} })
		want, not := finding.UUWrittenBack, finding.UUNoSlotDirty
		if lacks {
			k := s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() && k.Inode() == 0 }).Key
			s.Back[0].Flip(k.Start().Bytes()+100, 1)
			want, not = not, want
		}
		found := codes(check(t, s))
		if !slices.Contains(found, want) || slices.Contains(found, not) {
			t.Errorf("lacks %v: %v", lacks, found)
		}
	}
}

// A sector that a detached device lacks is no loss where it was written again after it was attached again; nor is it where
// its old slot had been invalidated by then, for that ends a detach: unless most is lacking.
func TestWrittenAgain(t *testing.T) {
	for name, test := range map[string]struct {
		dirty, clean bool
		later        uint32 // the new slot, by seconds
		lacks        int    // extents
		lost         bool
	}{
		"written":                   {dirty: true, lacks: 1},
		"read":                      {clean: true, lacks: 1, lost: true},
		"neither":                   {lacks: 1, lost: true},
		"detached, and read":        {clean: true, later: 3, lacks: 1},
		"detached, and past it":     {later: 3, lacks: 1, lost: true},
		"detached, and all of them": {later: 3, lacks: 999, lost: true},
	} {
		s := scenes.Open(t, "detached-crash")
		s.Give = 1
		var attached uint32
		s.EditSlot(2, func(u *ondisk.UUIDEntry) { attached = u.FirstReg })
		s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.Invalidated = attached - test.later })
		var k ondisk.Bkey
		for _, p := range s.Extents() {
			if p.Key.Dirty() && p.Key.Inode() == 0 && test.lacks > 0 {
				test.lacks--
				k = p.Key
				s.Back[0].Flip(k.Start().Bytes()+100, 1)
			}
		}
		want, not := finding.UUWrittenBack, finding.UULostDirty
		if test.lost {
			want, not = not, want
		}
		again := s.Key(2, k.Start()+8, 8, s.Geo.Start(s.Free(1)[0]), 0)
		if test.dirty {
			again = planter.Dirty(again)
		}
		if test.dirty || test.clean {
			s.AddSet(s.Leaves()[len(s.Leaves())-1], again)
		}
		if found := codes(check(t, s)); !slices.Contains(found, want) || slices.Contains(found, not) {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// What was not compared is not known to be there, though all that was compared and differs was written again: half of it
// tells that it is another device.
func TestNotCompared(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // compared in the order of the volume
	s := scenes.Open(t, "detached-crash")
	s.Give = 1
	var dirty []ondisk.Bkey
	total, half := ondisk.Sector(0), ondisk.Sector(0)
	for _, p := range s.Extents() {
		if p.Key.Dirty() && p.Key.Inode() == 0 {
			dirty, total = append(dirty, p.Key), total+p.Key.Size()
			for at := p.Key.Start(); at < p.Key.Offset(); at++ {
				s.Back[0].Flip(at.Bytes()+100, 1)
			}
		}
	}
	slices.SortFunc(dirty, func(a, b ondisk.Bkey) int { return a.Pos().Compare(b.Pos()) })
	var again []ondisk.Bkey
	for _, k := range dirty {
		if half > total/2 {
			break
		}
		half += k.Size()
		start := k.Start()
		if n := len(again); n > 0 && again[n-1].Offset() == start && again[n-1].Size()+k.Size() <= s.Geo.BucketSectors {
			start, again = again[n-1].Start(), again[:n-1]
		}
		again = append(again, planter.Dirty(s.Key(2, k.Offset(), k.Offset()-start, s.Geo.Start(s.Free(1)[0]), 0)))
	}
	s.AddSet(s.Leaves()[len(s.Leaves())-1], again...)
	if found := codes(check(t, s)); !slices.Contains(found, finding.UULostDirty) {
		t.Errorf("of %d dirty sectors all are lacking, %d were written again: %v", total, half, found)
	}
}

// What is said of one volume stays what it is when another's data move: a repair of that is not refused for it.
func TestLackingStays(t *testing.T) {
	said := map[string]int{}
	for _, moved := range []bool{false, true} {
		s := scenes.Open(t, "detached-crash")
		s.Give = 1
		var k ondisk.Bkey
		for _, p := range s.Extents() {
			if p.Key.Dirty() && p.Key.Inode() == 0 {
				k = p.Key
				s.Back[0].Flip(k.Start().Bytes()+100, 1)
			}
		}
		if moved {
			s.AddSet(s.Leaves()[len(s.Leaves())-1], planter.Dirty(s.Key(2, k.Start()+8, 8, s.Geo.Start(s.Free(1)[0]), 0)))
		}
		for _, f := range check(t, s).Findings {
			if f.Code == finding.UULostDirty {
				said[f.Message]++
			}
		}
	}
	for message, n := range said {
		if n != 2 {
			t.Errorf("%d times %q", n, message)
		}
	}
	if len(said) != 1 {
		t.Errorf("%d messages", len(said))
	}
}

// A dirty device that no slot names is a crash inside attach only where the slots written for it are there, go on from
// today's, and the cache has no key of the inode; else its slot is lost, which is damage.
func TestCutShort(t *testing.T) {
	slotAt := func(s *damages.Scene, b ondisk.Bucket, i int) int64 {
		return s.Geo.Start(b).Bytes() + int64(i)*ondisk.UUIDEntryBytes
	}
	for what, test := range map[string]struct {
		base string
		more func(s *damages.Scene, b ondisk.Bucket)
		want finding.Code
	}{
		"the first device": {"empty-registered", func(*damages.Scene, ondisk.Bucket) {}, finding.BDCutShort},
		"no trace":         {"empty-registered", func(s *damages.Scene, b ondisk.Bucket) { s.Wipe(b) }, finding.BDNoSlot},
		"another's slot":   {"empty-registered", func(s *damages.Scene, b ondisk.Bucket) { s.Main.Flip(slotAt(s, b, 0), 3) }, finding.BDNoSlot},
		"never registered": {"empty-registered", func(s *damages.Scene, b ondisk.Bucket) {
			s.EditSlot(5, func(u *ondisk.UUIDEntry) { u.UUID, u.LastReg = ondisk.UUID{5}, damages.Now })
		}, finding.BDNoSlot},
		"keys of the inode": {"empty-registered", func(s *damages.Scene, b ondisk.Bucket) {
			s.AddSet(s.Root(), s.Key(0, 504, 8, s.Geo.Start(s.Free(2)[1]), 0))
		}, finding.BDNoSlot},
		"garbage beside it":  {"empty-registered", func(s *damages.Scene, b ondisk.Bucket) { s.Main.Put(slotAt(s, b, 9), []byte(strings.Repeat("x", 128))) }, finding.BDNoSlot},
		"other slots differ": {"two-backing-flash", func(s *damages.Scene, b ondisk.Bucket) { s.Main.Flip(slotAt(s, b, 1), 3) }, finding.BDNoSlot},
		"a fourth volume":    {"two-backing-flash", func(*damages.Scene, ondisk.Bucket) {}, finding.BDCutShort},
	} {
		s := scenes.Open(t, test.base)
		planter.EditSuper(s.Back[0], func(sb *ondisk.Super) { sb.UUID = ondisk.UUID{1, 2, 3} })
		b := s.Free(1)[0]
		damages.CutShort(s)
		test.more(s, b)
		r := check(t, s)
		found := []finding.Code{}
		for _, c := range codes(r) {
			if c == finding.BDNoSlot || c == finding.BDCutShort {
				found = append(found, c)
			}
		}
		if !slices.Equal(found, []finding.Code{test.want}) || (r.Result == fsck.Damaged) != (test.want == finding.BDNoSlot) && what != "keys of the inode" {
			t.Errorf("%s: %v of %v", what, found, codes(r))
		}
	}
}
