// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/internal/lab/truth"
)

// settledEntry adds a journal entry with keys that is not live any more.
func settledEntry(s *damages.Scene, keys ...ondisk.Bkey) {
	s.AddEntry(func(j *ondisk.Jset) { j.Keys = keys })
	for range 2 {
		s.AddEntry(func(j *ondisk.Jset) { j.LastSeq = j.Seq })
	}
}

// harm changes bytes of a node's last bset and leaves its checksum.
func harm(s *damages.Scene, node planter.Node, do func(b []byte)) {
	sets := s.Sets(node)
	last := sets[len(sets)-1]
	s.Edit((node.Sector() + last.At).Bytes(), int(last.Bytes()), do)
}

// Keys of a damaged bset that parse, and say that dirty data below are clean, or stand elsewhere, do not go before what the
// journal has the last word of.
func TestJournalOverUnproven(t *testing.T) {
	const parts = 6 // more flipped bits than are found by the checksum
	for name, flip := range map[string]func(key []byte, i int){
		"clean":     func(key []byte, _ int) { key[4] ^= 0x10 },
		"elsewhere": func(key []byte, i int) { key[17+i%2] ^= 4 << (i % 3) },
	} {
		s := scenes.Open(t, "made-small")
		at := s.Geo.Start(s.Free(1)[0])
		below := planter.Dirty(s.Key(0, 504, 104, at, 0))
		var over []ondisk.Bkey
		for i := range ondisk.Sector(parts) {
			over = append(over, planter.Dirty(s.Key(0, 408+16*i, 8, at+16*i, 0)))
		}
		s.AddSet(s.Root(), below)
		s.AddSet(s.Root(), over...)
		settledEntry(s, below)
		is := kept(t, name, s, func() {
			harm(s, s.Root(), func(b []byte) {
				for i := range parts {
					flip(b[ondisk.BsetBytes+24*i:], i)
				}
			})
		})
		for _, sector := range []ondisk.Sector{400, 420, 464} {
			if got, want := is.Volumes[0][sector], truth.Place(at+sector-400)|truth.DirtyPlace; got != want {
				t.Errorf("%s: sector %d is at %d, dirty %v", name, sector, got.At(), got.Dirty())
			}
		}
	}
}

// A sector of a leaf that was written over another of it: the key that reaches from it into the next is of both, and
// parses. It is not taken.
func TestBlended(t *testing.T) {
	s := scenes.Open(t, "made-small")
	b := s.Free(14)
	var keys []ondisk.Bkey
	for i := range ondisk.Sector(110) {
		size := ondisk.Sector(16)
		if i >= 64 {
			size = 8
		}
		keys = append(keys, planter.Dirty(s.Key(0, 1016+32*i, size, s.Geo.Start(b[i/8])+i%8*16, 0)))
	}
	for i := range keys {
		for at := range keys[i].Size() {
			s.Put((keys[i].Ptr[0].Offset() + at).Bytes(), []byte{byte(i + 1), byte(at)})
		}
	}
	s.AddSet(s.Root(), keys...)
	kept(t, "a sector of three behind", s, func() {
		harm(s, s.Root(), func(b []byte) {
			copy(b[512:1024], b[4*512:5*512]) // key 41 begins at byte 1016
		})
	})
}

// A leaf that nothing leads to, and of which a bset is damaged too: its good keys are kept, the journal tells of the
// others, and where it does not, that they may be gone is said.
func TestDamagedOrphan(t *testing.T) {
	for name, from := range map[string]int{"without a trace": 0, "its keys": ondisk.BsetBytes} {
		damagedOrphan(t, name, from)
	}
}

func damagedOrphan(t *testing.T, name string, from int) {
	t.Helper()
	s := dirtyTree(t)
	b := s.Free(2)
	leaf := s.Leaves()[0]
	first := s.Sets(leaf)[0].Data[0]
	told := planter.Dirty(s.Key(first.Inode(), first.Offset(), first.Size(), s.Geo.Start(b[0]), 0))
	untold := planter.Dirty(s.Key(first.Inode(), first.Offset()+8, 8, s.Geo.Start(b[1]), 0))
	for i, k := range []ondisk.Bkey{told, untold} {
		s.Put(k.Ptr[0].Offset().Bytes(), []byte{byte(i + 1)})
	}
	s.AddSet(leaf, told, untold)
	s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{first} })
	settledEntry(s, told)
	root := s.Root()
	is := kept(t, name, s, func() {
		harm(s, leaf, func(b []byte) {
			for i := from; i < len(b); i++ {
				b[i] ^= byte(17 * (i + 1))
			}
		})
		s.Put(root.Sector().Bytes(), make([]byte, 4096))
	})
	if got, want := is.Volumes[first.Inode()][first.Start()], truth.Place(told.Ptr[0].Offset())|truth.DirtyPlace; got != want {
		t.Errorf("sector %d is at %d, dirty %v", first.Start(), got.At(), got.Dirty())
	}
}

// A slot that holds garbage but for its uuid, of which a bit is wrong too, is that of the device which has it: its dirty data
// are no volume of their own. The size of a flash-only volume loses what no volume has.
func TestGarbageButForUUID(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	is := kept(t, "slots", s, func() {
		for i := range 2 {
			s.EditSlot(i, func(u *ondisk.UUIDEntry) {
				u.UUID[5+i] ^= 4
				copy(u.Pad[:], "garbage")
				u.Label[3] ^= 0x80
			})
		}
		s.EditSlot(2, func(u *ondisk.UUIDEntry) { u.Sectors |= 1 << 47; u.Invalidated = 1 })
	})
	for i := range is.Slots {
		if is.Slots[i].FlashOnly() && i != 2 {
			t.Errorf("slot %d is a flash-only volume of %d sectors", i, is.Slots[i].Sectors)
		}
	}
}

// A leaf that is damaged does not keep what another lost without a trace from being missed: the journal has it.
func TestTwoLeaves(t *testing.T) {
	s := dirtyTree(t)
	b := s.Free(1)
	one, other := s.Leaves()[0], s.Leaves()[1]
	first := s.Sets(one)[0].Data[0]
	beside := planter.Dirty(s.Key(first.Inode(), first.Offset()+8, 8, s.Geo.Start(b[0]), 0))
	told := planter.Dirty(s.Key(first.Inode(), first.Offset(), first.Size(), s.Geo.Start(b[0])+8, 0))
	for i, k := range []ondisk.Bkey{beside, told} {
		s.Put(k.Ptr[0].Offset().Bytes(), []byte{byte(i + 1)})
	}
	s.AddSet(one, beside)
	s.AddSet(one, told)
	s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{first, beside} })
	settledEntry(s, told)
	is := kept(t, "two leaves", s, func() {
		harm(s, one, func(b []byte) { clear(b) })
		harm(s, other, func(b []byte) {
			for i := ondisk.BsetBytes; i < len(b); i++ {
				b[i] ^= byte(17 * (i + 1))
			}
		})
	})
	if got, want := is.Volumes[first.Inode()][first.Start()], truth.Place(told.Ptr[0].Offset())|truth.DirtyPlace; got != want {
		t.Errorf("sector %d is at %d, dirty %v", first.Start(), got.At(), got.Dirty())
	}
}

// The head of a prio set that was written over the first slot looks like one with a uuid; it is no volume's.
func TestSlotUnderPrioSet(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	is := kept(t, "slot", s, func() {
		head := ondisk.UUIDEntry{}
		copy(head.UUID[:], s.Bytes(s.Geo.Start(s.Chain()[0]).Bytes(), len(head.UUID)))
		s.EditSlot(0, func(u *ondisk.UUIDEntry) { *u = head })
	})
	if i, named := is.InodeOf(0); !named || i != 0 {
		t.Errorf("the device is volume %d, %v", i, is.Slots[:2])
	}
}

// A backing device's superblock that was written over the cache's: the journal behind it is that of the set.
func TestUnderBackingSuper(t *testing.T) {
	s := scenes.Open(t, "detached-reattached")
	was, err := truthOf(allOf(s))
	if err != nil {
		t.Fatal(err)
	}
	s.Put(ondisk.SuperOffset, s.Back[0].Bytes(ondisk.SuperOffset, ondisk.SuperSize))
	if r, bad := repairWell(t, was, allOf(s)); len(bad) > 0 || len(r.Lost) > 0 {
		t.Error(bad, r)
	}
	s.Main = s.Back[0] // without a cache behind it, it is a backing device named first
	if r, bad := repairWell(t, was, allOf(s)); len(bad) == 0 {
		t.Error("a backing device became a cache:", r.Evidence)
	}
}

// A last bset that is gone without a trace is missed also where the newest entry does not lead to the uuids, so that the
// check did not look for it.
func TestMissedBesideSlots(t *testing.T) {
	s, keys := olderAndNewer(t)
	newer := keys[2]
	for _, k := range keys {
		s.AddSet(s.Root(), k)
		settledEntry(s, k)
	}
	is := kept(t, "older", s, func() {
		harm(s, s.Root(), func(b []byte) { clear(b) })
		s.EditNewest(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.NBuckets+1), 0) })
	})
	if got, want := is.Volumes[0][400], truth.Place(newer.Ptr[0].Offset())|truth.DirtyPlace; got != want {
		t.Errorf("sector 400 is at %d", got.At())
	}
}

// Keys of an interior node that were written into a leaf are no clean extents there, and hide no dirty data.
func TestChildrenInLeaf(t *testing.T) {
	s := scenes.Open(t, "made-small")
	free := s.Free(2)
	var keys []ondisk.Bkey
	for i := range ondisk.Sector(10) {
		keys = append(keys, planter.Dirty(s.Key(0, 1000+400*i, 8, s.Geo.Start(free[0])+8*i, 0)))
		s.Put(keys[i].Ptr[0].Offset().Bytes(), []byte{byte(i + 1)})
	}
	s.AddSet(s.Root(), keys...)
	s.PutBucket(free[1], s.Bytes(s.Root().Sector().Bytes(), int(s.Geo.NodeSectors.Bytes()))) // a node, to look at
	child := s.Key(0, keys[7].Offset(), s.Geo.NodeSectors, s.Geo.Start(free[1]), 0)
	kept(t, "children", s, func() {
		harm(s, s.Root(), func(b []byte) {
			at := b[ondisk.BsetBytes+4*24 : ondisk.BsetBytes+8*24]
			for i := range at[:3*24] {
				at[i] ^= byte(17 * (i + 1))
			}
			copy(at[3*24:], child.Append(nil))
		})
	})
}

// The bset of a node whose pointer is off by a bit is not corrected into one of this node without a magic.
func TestOtherNodesBset(t *testing.T) {
	s := dirtyTree(t)
	above, leaf := s.Levels()[1][0], s.Leaves()[0]
	s.Put(leaf.Sector().Bytes(), s.Bytes(above.Sector().Bytes(), 4096))
	for _, e := range planned(t, allOf(s)).Evidence {
		if strings.Contains(e, "corrected") {
			t.Error(e)
		}
	}
}

// A key of the journal that reaches over two leaves to which nothing leads, and that both lost, is taken once.
func TestOverTwoLeaves(t *testing.T) {
	s := dirtyTree(t)
	one, other := s.Leaves()[0], s.Leaves()[1]
	border, b := one.Key.Offset(), s.Free(3)
	last := planter.Dirty(s.Key(0, border-8, 16, s.Geo.Start(b[0]), 0))
	next := planter.Dirty(s.Key(0, border+24, 16, s.Geo.Start(b[1]), 0))
	told := planter.Dirty(s.Key(0, next.Offset(), 40, s.Geo.Start(b[2]), 0))
	for i, k := range []ondisk.Bkey{last, next, told} {
		s.Put(k.Ptr[0].Offset().Bytes(), []byte{byte(i + 1)})
	}
	s.AddSet(one, last)
	s.AddSet(other, next)
	s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{last, next} })
	settledEntry(s, told)
	s.Put(s.Root().Sector().Bytes(), make([]byte, 4096))
	devs := devices(s)
	r := planned(t, devs)
	got := live(t, after(r, devs)[0])
	for at := told.Start(); at < told.Offset(); at++ {
		if want := (where{told.Ptr[0].Offset() + at - told.Start(), true}); got[sector{0, at}] != want {
			t.Errorf("sector %d is at %v, want %v; %s", at, got[sector{0, at}], want, r.Evidence)
		}
	}
}
