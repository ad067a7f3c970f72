// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"maps"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// Damage with which nothing is lost, for the rest tells what stood there: all that was live is, and every slot names what
// it did.
func TestEvident(t *testing.T) {
	for _, d := range []struct {
		name, base string
		plant      func(s *damages.Scene)
	}{
		{"a slot's uuid written over", "writeback-dirty", func(s *damages.Scene) {
			s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} })
		}},
		{"a slot in the place of another", "writeback-dirty", func(s *damages.Scene) {
			var was ondisk.UUIDEntry
			s.EditSlot(0, func(u *ondisk.UUIDEntry) { was, *u = *u, ondisk.UUIDEntry{} })
			s.EditSlot(5, func(u *ondisk.UUIDEntry) { *u = was })
		}},
		{"a gen that leapt", "writeback-dirty", func(s *damages.Scene) {
			k := s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() }).Key
			s.SetGen(s.Geo.BucketOf(k.Ptr[0].Offset()), k.Ptr[0].Gen()+110)
		}},
		{"an extent that grew over its neighbour", "writeback-dirty", func(s *damages.Scene) {
			at, ends := map[ondisk.Sector]bool{}, map[ondisk.Sector]bool{}
			for _, p := range s.Extents() {
				at[p.Key.Ptr[0].Offset()] = p.Key.Dirty()
				for i := range ondisk.Sector(128) {
					ends[p.Key.Offset()+i] = true
				}
			}
			told := map[uint64]bool{}
			for _, e := range s.Entries() {
				for _, k := range e.Keys {
					told[k.Low^uint64(k.Ptr[0])] = true
				}
			}
			for _, p := range s.Extents() {
				if k := p.Key; k.Dirty() && told[k.Low^uint64(k.Ptr[0])] && at[k.Ptr[0].Offset()+k.Size()] && s.Geo.Remainder(k.Ptr[0].Offset()+k.Size()) > 0 && k.Start() > 8 && !ends[k.Start()] {
					s.EditKey(p, func(k *ondisk.Bkey) { k.SetSize(k.Size() + 8) })
					return
				}
			}
			t.Fatal("none")
		}},
	} {
		s := scenes.Open(t, d.base)
		s.Give = len(s.Back)
		devs := devices(s)
		want, slots := live(t, devs[0]), slotsOf(t, devs[0])
		d.plant(s)
		devs = devices(s)
		r := planned(t, devs)
		done := after(r, devs)[0]
		if r.Before.Result != fsck.Damaged || r.After.Result == fsck.Damaged {
			t.Errorf("%s: %v, then %v, %s", d.name, codes(r.Before), codes(r.After), r.Evidence)
		}
		for _, l := range r.Lost {
			if _, was := want[sector{l.Inode, l.Offset}]; was && l.Known {
				t.Errorf("%s: lost %v", d.name, l)
			}
		}
		if got := live(t, done); !maps.Equal(got, want) {
			t.Errorf("%s: %d sectors, there were %d; %s", d.name, len(got), len(want), r.Evidence)
		}
		if got := slotsOf(t, done); !slices.Equal(got, slots) {
			t.Errorf("%s: slots %v, they were %v", d.name, got, slots)
		}
		if r.Loses() == "" && d.name == "a gen that leapt" {
			t.Errorf("%s: -p brings back what nothing confirms", d.name)
		}
	}
}

// A flash-only volume's data are never written back, so what the journal says of them is in the tree, though nothing else
// is in their bucket.
func TestFlashKeysGone(t *testing.T) {
	s := scenes.Open(t, "made-small")
	s.EditSlot(0, func(u *ondisk.UUIDEntry) {
		*u = ondisk.UUIDEntry{UUID: ondisk.UUID{1, 2, 3, 4}, FirstReg: 1700000000, LastReg: 1700000000, Flags: 1, Sectors: 2048}
	})
	k := planter.Dirty(s.Key(0, 104, 64, s.Geo.Start(s.Free(3)[2]), 0))
	s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{k} })
	want := live(t, devices(s)[0])
	s.AddEntry(func(j *ondisk.Jset) { j.LastSeq = j.Seq })
	devs := devices(s)
	r := planned(t, devs)
	if c := codes(r.Before); len(want) != 64 || !slices.Contains(c, finding.BTMissing) || r.After.Result == fsck.Damaged {
		t.Errorf("%d sectors, %v, then %v", len(want), c, codes(r.After))
	}
	if got := live(t, after(r, devs)[0]); !maps.Equal(got, want) {
		t.Errorf("%v, there were %v; %s", got, want, r.Evidence)
	}
}

// Where the bucket of the newest journal entries is empty, though the ring has gone round, nobody knows what they told.
func TestNewestWiped(t *testing.T) {
	s := scenes.Open(t, "made-small")
	for range s.Geo.NJournal + 2 {
		s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.LastSeq = j.Seq - 1 })
	}
	if r := planned(t, devices(s)); r.Before.Result == fsck.Damaged {
		t.Fatal(codes(r.Before))
	}
	s.Wipe(s.Geo.BucketOf(s.Newest().Sector))
	if r := planned(t, devices(s)); !slices.Equal(codes(r.Before), []finding.Code{finding.JRDamaged}) || r.After.Result == fsck.Damaged ||
		r.Loses() == "" || len(r.Lost) == 0 || r.Lost[0].Known || r.Lost[0].Offset != 0 {
		t.Errorf("%v, then %v, lost %v", codes(r.Before), codes(r.After), r.Lost)
	}
	s.EditSuper(func(s *ondisk.Super) { s.SetDiscard(true) }) // then the kernel may have emptied it
	if r := planned(t, devices(s)); r.Before.Result == fsck.Damaged {
		t.Errorf("discards: %v", codes(r.Before))
	}
}

// Discarding leaves all before what is live empty, and goes on to be seen for a lap after it was turned off: no entry is
// missed there.
func TestDiscardedUntilNow(t *testing.T) {
	s := scenes.Open(t, "made-small")
	var es []planter.Entry
	for range s.Geo.NJournal + 2 {
		es = append(es, s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.LastSeq = j.Seq - min(2, uint64(len(es))) }))
	}
	for _, e := range es[2 : len(es)-3] {
		s.Wipe(s.Geo.BucketOf(e.Sector))
	}
	if r := planned(t, devices(s)); r.Before.Result == fsck.Damaged {
		t.Error(codes(r.Before))
	}
}

// A damaged pointer that leads among metadata says nothing of that bucket's gen.
func TestLeaptIntoMetadata(t *testing.T) {
	s := scenes.Open(t, "writeback-dirty")
	s.Give = len(s.Back)
	root := s.Root().Key.Ptr[0]
	s.EditKey(s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() }), func(k *ondisk.Bkey) {
		k.Ptr[0] = ondisk.MakePtr(root.Gen()-100, root.Offset(), 0)
	})
	if r := planned(t, devices(s)); r.After.Result == fsck.Damaged || len(r.InDoubt) > 0 || len(r.Lost) == 0 {
		t.Errorf("then %v, in doubt %v, lost %v; %s", codes(r.After), r.InDoubt, r.Lost, r.Evidence)
	}
}

// A live entry that the kernel does not reach, for it stands behind a bad block of the same bucket, was not discarded.
func TestNotDiscarded(t *testing.T) {
	s := scenes.Open(t, "made-small")
	s.EditSuper(func(s *ondisk.Super) { s.SetDiscard(true) })
	old := s.AddEntry(func(*ondisk.Jset) {})
	k := planter.Dirty(s.Key(0, 104, 64, s.Geo.Start(s.Free(3)[2]), 0))
	live1 := s.AddEntry(func(j *ondisk.Jset) { j.LastSeq, j.Keys = j.Seq, []ondisk.Bkey{k} })
	s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.LastSeq = live1.Seq })
	want := live(t, devices(s)[0])
	s.WipeEntry(old)
	devs := devices(s)
	r := planned(t, devs)
	if len(want) != 64 || !slices.Contains(codes(r.Before), finding.JRLost) || r.After.Result == fsck.Damaged {
		t.Errorf("%d sectors, %v, then %v", len(want), codes(r.Before), codes(r.After))
	}
	if got := live(t, after(r, devs)[0]); !maps.Equal(got, want) {
		t.Errorf("%v, there were %v; %s", got, want, r.Evidence)
	}
}

// A backing device's version that is wrong though its checksum is right is corrected.
func TestBackingVersion(t *testing.T) {
	for _, version := range []uint64{ondisk.VersionCache, ondisk.VersionCacheUUID, ondisk.VersionBackingOffset} {
		s := scenes.Open(t, "writeback-dirty")
		s.Give = 1
		was := *planter.ReadSuper(s.Back[0])
		planter.EditSuper(s.Back[0], func(s *ondisk.Super) { s.Version, s.Nbuckets = version, 0 })
		devs := devices(s)
		r := planned(t, devs)
		is, err := superblock.Read(after(r, devs)[1].R)
		if err != nil || r.After.Result == fsck.Damaged || r.Before.Result != fsck.Damaged {
			t.Fatalf("version %d: %v, %v, then %v", version, err, codes(r.Before), codes(r.After))
		}
		if is.Version != was.Version || is.UUID != was.UUID || is.Flags != was.Flags {
			t.Errorf("version %d: %+v, it was %+v", version, is, was)
		}
	}
}

// A dirty key that names an inode which nobody has, out of its leaf's range, tells nothing of where it stood: -p leaves it.
func TestMisnamed(t *testing.T) {
	s := scenes.Open(t, "hostile")
	s.EditKey(s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() && k.Offset() < 1000 }), func(k *ondisk.Bkey) { k.SetInode(9) })
	r := planned(t, devices(s))
	if r.After.Result == fsck.Damaged || r.Loses() == "" {
		t.Errorf("%v, then %v, lost %v, %s", codes(r.Before), codes(r.After), r.Lost, r.Evidence)
	}
}
