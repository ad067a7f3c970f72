// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/internal/lab/truth"
)

// kept plants a damage in a scene, repairs it, and fails the test unless all that the scene showed is there, or was said to
// be given up.
func kept(t *testing.T, name string, s *damages.Scene, plant func()) *truth.Truth {
	t.Helper()
	was, err := truthOf(allOf(s))
	if err != nil {
		t.Fatal(err)
	}
	plant()
	r, bad := repairWell(t, was, allOf(s))
	if len(bad) > 0 {
		t.Errorf("%s: %v", name, bad)
	}
	if r == nil || r.Before == nil || r.Before.Result != fsck.Damaged {
		t.Fatalf("%s: nothing is found", name)
	}
	t.Logf("%s: %v: %q, %d lost", name, codes(r.Before), r.Evidence, len(r.Lost))
	is, err := truthOf(after(r, allOf(s)))
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// dirtyTree is made-tree with dirty data: none of them may be lost in silence, nor without need.
func dirtyTree(t *testing.T) *damages.Scene {
	s := scenes.Open(t, "made-tree")
	for _, n := range s.Leaves() {
		s.EditSet(n, 0, func(b *ondisk.Bset) {
			for i := range b.Data {
				b.Data[i].SetDirty(true)
			}
		})
	}
	return s
}

// What is wrong above leaves costs none of theirs: a key that leads nowhere before a leaf whose extents reach over its
// place, one that does not parse, and one of two that end at the same place.
func TestWrongAboveLeaves(t *testing.T) {
	for name, plant := range map[string]func(s *damages.Scene){
		"leads nowhere": func(s *damages.Scene) {
			s.AddSet(s.Levels()[1][0], s.Key(0, 550, s.Geo.NodeSectors, s.Geo.Start(s.Free(1)[0])+4, 0))
		},
		"does not parse": func(s *damages.Scene) {
			n := s.Levels()[1][0]
			second := s.Leaves()[1].Key
			s.EditSet(n, 0, func(b *ondisk.Bset) { b.Data = b.Data[:1] })
			s.AddSet(n, second)
			s.RawSet(n, 1, func(b []byte) { b[ondisk.BsetBytes+7] |= 0x60 })
		},
		"passed over": func(s *damages.Scene) {
			s.AddSet(s.Levels()[1][0], s.PutNode(s.Free(1)[0], 0, 888, s.Leaves()[1].Key.Pos()))
		},
	} {
		s := dirtyTree(t)
		was, err := truthOf(allOf(s))
		if err != nil {
			t.Fatal(err)
		}
		is := kept(t, name, s, func() { plant(s) })
		for at, p := range was.Volumes[0] {
			if at >= len(is.Volumes[0]) || is.Volumes[0][at] != p {
				t.Errorf("%s: sector %d is elsewhere", name, at)
				break
			}
		}
	}
}

// A live journal entry that is lost may have replaced whatever no entry behind it tells of: clean data are not kept there,
// for they may be old, and of dirty data it is said that newer ones may be gone.
func TestEntryLost(t *testing.T) {
	s := scenes.Open(t, "made-small")
	b := s.Free(8)
	s.AddSet(s.Root(), s.Key(0, 504, 8, s.Geo.Start(b[0]), 0), planter.Dirty(s.Key(0, 608, 8, s.Geo.Start(b[1]), 0)), s.Key(0, 704, 8, s.Geo.Start(b[2]), 0))
	var lost planter.Entry
	for i, keys := range [][]ondisk.Bkey{
		{planter.Dirty(s.Key(0, 808, 8, s.Geo.Start(b[3]), 0)), s.Key(0, 904, 8, s.Geo.Start(b[3])+8, 0)},
		{s.Key(0, 504, 8, s.Geo.Start(b[4]), 0), planter.Dirty(s.Key(0, 608, 8, s.Geo.Start(b[5]), 0)), planter.Dirty(s.Key(0, 808, 8, s.Geo.Start(b[6]), 0)), s.Key(0, 904, 8, s.Geo.Start(b[6])+8, 0)},
		{s.Key(0, 704, 8, s.Geo.Start(b[7]), 0)},
	} {
		for j := range keys { // of each its own data
			s.Put(keys[j].Ptr[0].Offset().Bytes(), []byte{byte(i + 1), byte(j)})
		}
		e := s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.Keys = keys })
		if i == 1 {
			lost = e
		}
	}
	is := kept(t, "an entry", s, func() { s.WipeEntry(lost) })
	for at, want := range map[ondisk.Sector]bool{500: false, 600: true, 700: true, 800: true, 900: false} {
		if got := int(at) < len(is.Volumes[0]) && is.Volumes[0][at] != 0; got != want {
			t.Errorf("sector %d: %v, want %v", at, got, want)
		}
	}
}

// A uuid bucket that nothing leads to any more is known by its times to be newer than that of an older entry, also where
// flash-only volumes in it were destroyed.
func TestNewestSlots(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	raw := s.Bytes(s.Geo.Start(s.UUIDBucket()).Bytes(), int(s.Geo.MetaSectors.Bytes()))
	to := s.Free(1)[0]
	s.PutBucket(to, raw)
	s.AddEntry(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(to), 0) })
	s.EditSlot(3, func(u *ondisk.UUIDEntry) {
		*u = ondisk.UUIDEntry{UUID: ondisk.UUID{1, 2, 3, 4}, FirstReg: 1800000000, LastReg: 1800000000, Flags: 1, Sectors: 2048}
	})
	s.EditSlot(4, func(u *ondisk.UUIDEntry) {
		*u = ondisk.UUIDEntry{UUID: ondisk.InvalidUUID, FirstReg: 1800000000, LastReg: 1800000000, Invalidated: 1800000001, Sectors: 2048}
	})
	kept(t, "the newest", s, func() {
		s.EditNewest(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.NBuckets+1), 0) })
	})
}

// A flash-only volume whose uuid alone became the invalid one is no destroyed one; and a slot whose uuid is nearly that
// names nobody, but the one device that has no slot, and says that it has dirty data.
func TestNearlyInvalid(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	kept(t, "flash-only", s, func() {
		was := s.Bytes(s.Geo.Start(s.UUIDBucket()).Bytes()+2*ondisk.UUIDEntryBytes, ondisk.UUIDEntryBytes)
		if u, err := ondisk.DecodeUUIDEntry(was); err != nil || uuids.StateOf(&u) != uuids.Valid || !u.FlashOnly() {
			t.Fatal("slot 2 is no flash-only volume's")
		}
		s.EditSlot(2, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID })
	})
	s = scenes.Open(t, "writeback-dirty")
	kept(t, "nearly", s, func() {
		s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID; u.UUID[5] ^= 4 })
	})
}

// Slots that nothing is left of, of more volumes than devices: of none it is said that it is lost which is there. Dirty
// data that the journal alone has count too.
func TestSlotsLost(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	kept(t, "three volumes", s, func() {
		s.Edit(s.Geo.Start(s.UUIDBucket()).Bytes(), 3*ondisk.UUIDEntryBytes, func(b []byte) { clear(b) })
	})
}

// A leaf may be newer than the journal after a power cut: what an entry says that is not live any more, and whose key the
// leaf has, does not go before what the leaf says later, neither where a bset behind is damaged nor where the newest entry's
// last_seq cannot be.
func TestLeafNewerThanJournal(t *testing.T) {
	for name, plant := range map[string]func(s *damages.Scene){
		"bset": func(s *damages.Scene) {
			s.AddSet(s.Root(), s.Key(0, 904, 8, s.Geo.Start(s.Free(3)[2]), 0))
			s.RawSet(s.Root(), len(s.Sets(s.Root()))-1, func(b []byte) { b[ondisk.BsetBytes+7] |= 0x60 })
		},
		"last_seq": func(s *damages.Scene) { s.EditNewest(func(j *ondisk.Jset) { j.LastSeq = j.Seq + 1 }) },
	} {
		s := scenes.Open(t, "made-small")
		b := s.Free(2)
		older, newer := planter.Dirty(s.Key(0, 504, 104, s.Geo.Start(b[0]), 0)), planter.Dirty(s.Key(0, 504, 104, s.Geo.Start(b[1]), 0))
		s.Put(older.Ptr[0].Offset().Bytes(), []byte("older"))
		s.Put(newer.Ptr[0].Offset().Bytes(), []byte("newer"))
		s.AddSet(s.Root(), older)
		s.AddSet(s.Root(), newer)
		s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{older} })
		for range 2 {
			s.AddEntry(func(j *ondisk.Jset) { j.LastSeq = j.Seq })
		}
		is := kept(t, name, s, func() { plant(s) })
		if at := is.Volumes[0][400]; at != truth.Place(newer.Ptr[0].Offset())|truth.DirtyPlace {
			t.Errorf("%s: sector 400 is at %d", name, at.At())
		}
	}
}

// A cache whose superblock is as before its first registration was in use if a device of its set is dirty.
func TestRegisteredOnce(t *testing.T) {
	s := scenes.Open(t, "writeback-dirty")
	kept(t, "as made", s, func() {
		s.EditSuper(func(sb *ondisk.Super) { sb.SetSync(false); sb.Version, sb.Seq = 0, 0; planter.SetJournal(sb, 1, 0) })
	})
}

// What a damaged bset lost the journal tells, also where it was written right behind what the leaf has.
func TestWrittenBehind(t *testing.T) {
	s := scenes.Open(t, "made-small")
	at := s.Geo.Start(s.Free(1)[0])
	first, second := planter.Dirty(s.Key(0, 504, 40, at, 0)), planter.Dirty(s.Key(0, 544, 40, at+40, 0))
	s.AddSet(s.Root(), first)
	s.AddSet(s.Root(), second)
	for _, k := range []ondisk.Bkey{first, second} {
		s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{k} })
	}
	for range 2 {
		s.AddEntry(func(j *ondisk.Jset) { j.LastSeq = j.Seq })
	}
	is := kept(t, "behind", s, func() {
		s.RawSet(s.Root(), len(s.Sets(s.Root()))-1, func(b []byte) { b[ondisk.BsetBytes+7] |= 0x60 })
	})
	if at := is.Volumes[0][504]; at != truth.Place(second.Ptr[0].Offset())|truth.DirtyPlace {
		t.Errorf("sector 504 is at %d", at.At())
	}
}

// A key in the wrong leaf that the journal cuts in two is one all the same.
func TestCutStray(t *testing.T) {
	s := scenes.Open(t, "hostile")
	b := s.Free(2)
	s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{s.Key(0, 328, 8, s.Geo.Start(b[0]), 0)} })
	kept(t, "in two", s, func() { s.AddSet(s.Leaves()[1], s.Key(0, 360, 64, s.Geo.Start(b[1]), 0)) })
}

// A backing device that is attached to no set, and that no slot names, is attached to nothing.
func TestAttachedToNothing(t *testing.T) {
	s := scenes.Open(t, "detached-crash")
	s.EditSlot(2, func(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated = ondisk.InvalidUUID, u.LastReg+1 })
	planter.EditSuper(s.Back[0], func(sb *ondisk.Super) { sb.SetUUID = ondisk.UUID{}; sb.SetState(ondisk.StateNone) })
	kept(t, "clean", s, func() {
		planter.EditSuper(s.Back[0], func(sb *ondisk.Super) { sb.SetState(ondisk.StateClean) })
	})
}

// Of dirty data that another extent cuts inside of a block, that block alone is given up.
func TestCutInsideBlock(t *testing.T) {
	s := scenes.Open(t, "made-small")
	b := s.Free(2)
	s.AddSet(s.Root(), planter.Dirty(s.Key(0, 504, 104, s.Geo.Start(b[0]), 0)))
	s.AddSet(s.Root(), s.Key(0, 420, 20, s.Geo.Start(b[1]), 0))
	r := planned(t, allOf(s))
	if len(codes(r.After)) > 0 {
		t.Fatalf("left: %v", codes(r.After))
	}
	for _, l := range r.Lost {
		if l.Dirty && (l.Offset != 420 || l.Count != 4) {
			t.Errorf("given up: %v", l)
		}
	}
	is, err := truthOf(after(r, allOf(s)))
	if err != nil {
		t.Fatal(err)
	}
	if v := is.Volumes[0]; len(v) != 504 || v[424] == 0 || !v[424].Dirty() || v[423] != 0 {
		t.Errorf("%d sectors, %v", len(v), v[420:430])
	}
}

// Where the journal leads to another structure's bucket for the uuids, what looks like slots there is not taken for them.
func TestSlotsElsewhere(t *testing.T) {
	s := scenes.Open(t, "hostile")
	s.EditNewest(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Chain()[0]), 0) })
	for _, e := range s.Entries()[:len(s.Entries())-1] {
		s.EditEntry(e, func(j *ondisk.Jset) { j.UUIDBucket = s.Newest().UUIDBucket }) // no older entry knows better
	}
	was := s.Bytes(s.Geo.Start(s.Chain()[0]).Bytes(), 16)
	r := planned(t, allOf(s))
	is, err := truthOf(after(r, allOf(s)))
	if err != nil || len(codes(r.After)) > 0 {
		t.Fatal(codes(r.After), err)
	}
	if string(is.Slots[0].UUID[:]) == string(was) {
		t.Errorf("slot 0 is the prio set's checksum and magic; %q", r.Evidence)
	}
}

// olderAndNewer are three dirty keys: the last replaces the first, and has its data in the bucket of the second.
func olderAndNewer(t *testing.T) (*damages.Scene, []ondisk.Bkey) {
	t.Helper()
	s := scenes.Open(t, "made-small")
	b := s.Free(2)
	at := s.Geo.Start(b[1])
	older, beside, newer := planter.Dirty(s.Key(0, 504, 104, s.Geo.Start(b[0]), 0)), planter.Dirty(s.Key(0, 904, 8, at, 0)), planter.Dirty(s.Key(0, 504, 104, at+8, 0))
	s.Put(older.Ptr[0].Offset().Bytes(), []byte("older"))
	s.Put(newer.Ptr[0].Offset().Bytes(), []byte("newer"))
	return s, []ondisk.Bkey{older, beside, newer}
}

// A last bset that is gone without a trace is missed also where the leaf has older data in the place of what it had.
func TestOlderInItsPlace(t *testing.T) {
	s, keys := olderAndNewer(t)
	newer := keys[2]
	for _, k := range keys {
		s.AddSet(s.Root(), k)
		s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{k} })
	}
	for range 2 {
		s.AddEntry(func(j *ondisk.Jset) { j.LastSeq = j.Seq })
	}
	if r := planned(t, allOf(s)); len(codes(r.Before)) > 0 {
		t.Fatalf("found already: %v", codes(r.Before))
	}
	is := kept(t, "older", s, func() {
		sets := s.Sets(s.Root())
		s.Put((s.Root().Sector() + sets[len(sets)-1].At).Bytes(), make([]byte, 4096))
	})
	if at := is.Volumes[0][400]; at != truth.Place(newer.Ptr[0].Offset())|truth.DirtyPlace {
		t.Errorf("sector 400 is at %d", at.At())
	}
}

// By an older table a device has the slot that it had before it was detached and attached again: what it has in the cache
// now is known by its clean data. Here the older one is newer than what any entry leads to.
func TestAttachedAgain(t *testing.T) {
	s := scenes.Open(t, "detached-reattached")
	newest := ondisk.MakePtr(0, s.Geo.Start(s.UUIDBucket()), 0)
	slots := func(back uint32) []byte {
		s.EditSlot(2, func(u *ondisk.UUIDEntry) { u.FirstReg -= back; u.LastReg -= back })
		raw := s.Bytes(newest.Offset().Bytes(), int(s.Geo.MetaSectors.Bytes()))
		s.EditSlot(2, func(u *ondisk.UUIDEntry) { u.FirstReg += back; u.LastReg += back })
		last := raw[2*ondisk.UUIDEntryBytes:][:ondisk.UUIDEntryBytes]
		copy(raw, last) // the first slot was its
		clear(last)
		return raw
	}
	free := s.Free(2)
	s.PutBucket(free[0], slots(2))
	s.PutBucket(free[1], slots(1))
	for _, p := range []ondisk.Ptr{ondisk.MakePtr(0, s.Geo.Start(free[0]), 0), newest} {
		s.AddEntry(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = p })
	}
	kept(t, "again", s, func() { s.FailBucket(s.Geo.BucketOf(newest.Offset())) })
}
