package fsck_test

import (
	"fmt"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/internal/finding"
	"bctl/internal/ondisk"
	"bctl/internal/planter"
)

// damages are what was tried on the kernel, one by one, with what it did. All but the last few register a device
// that then loses data, or panic.
var damages = []damage{
	{"bit flip in the superblock: the kernel refuses it", "writeback-dirty",
		func(s *scene) { s.Flip(ondisk.SuperOffset+112, 2) }, []finding.Code{finding.SBChecksum}},
	{"bit flip in a prio bucket: the kernel refuses it", "writeback-dirty",
		func(s *scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+100, 2) }, []finding.Code{finding.PRChecksum, finding.PRRewind}},
	{"bit flip in a btree node: the kernel refuses it", "writeback-dirty",
		func(s *scene) { s.Flip(s.Root().Sector().Bytes()+100, 2) }, []finding.Code{finding.BTChecksum, finding.BTSalvage}},
	{"bit flip in the newest journal entry: its keys are lost, at info level", "writeback-crash",
		func(s *scene) { s.Flip(s.Newest().Sector.Bytes()+200, 2) }, []finding.Code{finding.JRTorn}},
	{"gen moved past a dirty pointer: its data are lost, at info level", "writeback-dirty",
		staleDirty, []finding.Code{finding.EXStaleDirty}},
	{"first of several live journal entries destroyed: the later ones are lost, silently", "writeback-crash",
		func(s *scene) {
			all := s.Entries()
			s.Flip(all[len(all)-2].Sector.Bytes()+200, 2)
		}, []finding.Code{finding.JRLost, finding.JRTorn}},
	{"live journal entry destroyed, its followers in the next bucket: the kernel refuses it", "writeback-crash",
		func(s *scene) {
			first := s.AddEntry(func(*ondisk.Jset) {})
			s.AddEntry(func(*ondisk.Jset) {})
			s.spread(1)
			s.Flip(first.Sector.Bytes()+200, 2)
		}, []finding.Code{finding.JRDamaged, finding.JRGap}},
	{"gen 110 ahead of a live pointer: a warning in alloc.c", "writeback-dirty",
		ahead(110), []finding.Code{finding.GNStale}},
	{"gen 60 behind a pointer: the kernel says nothing", "writeback-dirty",
		func(s *scene) {
			k := s.Extent(live).Key
			s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()-60)
		}, []finding.Code{finding.GNAhead}},
	{"extent crosses its bucket's end: the kernel refuses it", "writeback-dirty",
		pointAt(func(s *scene) sectors { return s.freeAt() + s.Geo.BucketSectors - 8 }), []finding.Code{finding.EXCross}},
	{"extent points past the device: the kernel refuses it", "writeback-dirty",
		pointAt(func(s *scene) sectors { return s.Geo.Start(s.Geo.NBuckets + 7) }), []finding.Code{finding.EXPastEnd}},
	{"extent points into the superblock: kernel BUG", "writeback-dirty",
		pointAt(func(*scene) sectors { return 8 }), []finding.Code{finding.EXShort}},
	{"extent points into a btree node's bucket: kernel BUG", "writeback-dirty",
		pointAt(func(s *scene) sectors { return s.Root().Sector() }), []finding.Code{finding.EXMetadata}},
	{"two keys claim the same cache sectors: wrong data, silently", "writeback-dirty",
		func(s *scene) {
			first := s.Extent(dirty).Key
			other := s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() && k.Pos() != first.Pos() && k.Size() <= first.Size() })
			s.EditKey(other, func(k *ondisk.Bkey) { k.Ptr = first.Ptr })
		}, []finding.Code{finding.EXShared}},
	{"dirty keys of an inode that no slot names: the kernel says nothing", "writeback-dirty",
		func(s *scene) { s.EditKey(s.lastKey(), func(k *ondisk.Bkey) { k.SetInode(5); k.SetDirty(true) }) }, []finding.Code{finding.UUNoSlotDirty}},
	{"clean keys of an inode that no slot names: the kernel says nothing", "fifo-full",
		func(s *scene) { s.EditKey(s.lastKey(), func(k *ondisk.Bkey) { k.SetInode(5) }) }, []finding.Code{finding.UULostClean}},
	{"two keys of one bset out of order: lookups miss", "writeback-dirty",
		func(s *scene) {
			s.EditSet(s.Root(), 0, func(b *ondisk.Bset) {
				i := slices.IndexFunc(b.Data[1:], func(k ondisk.Bkey) bool { return k.Start() >= b.Data[0].Offset() && k.Size() > 0 })
				b.Data[0], b.Data[i+1] = b.Data[i+1], b.Data[0]
			})
		}, []finding.Code{finding.BTOrder}},
	{"bit flip in a slot's uuid, seen with its backing device: it no longer attaches", "writeback-dirty",
		func(s *scene) { s.give = 1; s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID[3] ^= 8 }) }, []finding.Code{finding.BDNoSlot}},
	{"bit flip in a slot's uuid, without its backing device: nobody can know", "writeback-dirty",
		func(s *scene) { s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID[3] ^= 8 }) }, nil},
	{"bit flip in a slot's label", "two-backing-flash",
		func(s *scene) { s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.Label[0] ^= 0x60 }) }, []finding.Code{finding.UUSuspect}},
	{"journal's root points at a free bucket: bad btree header", "writeback-dirty",
		func(s *scene) {
			at := s.freeAt()
			s.EditNewest(func(j *ondisk.Jset) { j.BtreeRoot.Ptr[0] = ondisk.MakePtr(0, at, 0) })
		}, []finding.Code{finding.BTHeader, finding.BTSalvage}},
	{"journal's uuid pointer past the device: the kernel refuses it", "writeback-dirty",
		newest(func(s *scene, j *ondisk.Jset) {
			j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.NBuckets+1), 0)
		}),
		[]finding.Code{finding.JRUUIDBucket}},
	{"journal entry two buckets on: silently not found", "writeback-crash",
		func(s *scene) {
			e := s.Newest()
			ring, _ := s.NextRing(e.Ring)
			_, at := s.NextRing(ring)
			e.Seq++
			s.PutEntry(at, e.Jset)
		}, []finding.Code{finding.JRLost}},
	{"journalled key of size 0: kernel BUG", "writeback-crash",
		func(s *scene) {
			k := s.Key(0, 800, 0, s.freeAt(), 0)
			s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{k} })
		}, []finding.Code{finding.JRKey}},
	{"fewer than 513 buckets: the kernel refuses it", "empty-registered",
		super(func(sb *ondisk.Super) { sb.Nbuckets = 512; planter.SetJournal(sb, 1, 4) }), []finding.Code{finding.SBNBuckets, finding.SBGrown}},
}

// lastKey is the last live extent that nothing covers, if it is the last key of its bset too.
func (s *scene) lastKey() planter.Place {
	all := s.Extents()
	for _, p := range slices.Backward(all) {
		if p.Index == len(s.Sets(p.Node)[p.Set].Data)-1 {
			return p
		}
	}
	panic("no such extent")
}

func TestDamage(t *testing.T) {
	for _, d := range damages {
		d.test(t)
	}
}

// What a crash leaves, and what looks odd but is what a kernel does: no finding.
func TestLegal(t *testing.T) {
	for _, d := range []damage{
		{"pointer one ahead of the prio chain", "writeback-dirty", func(s *scene) {
			k := s.Extent(live).Key
			s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()-1)
		}, nil},
		{"stale clean pointer", "fifo-full", ahead(96), nil},
		{"placeholder of a read that missed", "made-small", func(s *scene) {
			k := s.Key(0, 504, 104, 0, 0)
			k.Ptr[0] = ondisk.MakePtr(7, 0x123456789, ondisk.PtrCheckDev)
			s.AddSet(s.Root(), k)
		}, nil},
		{"key without pointers", "made-small", func(s *scene) { s.AddSet(s.Root(), ondisk.MakeKey(0, 504, 104)) }, nil},
		{"equal ends: a key and the empty ones it replaced", "made-small", addSet(func(s *scene) []ondisk.Bkey {
			k := s.pair(504, 0, 504, 104)
			return []ondisk.Bkey{k[1], k[0], k[0]}
		}), nil},
		{"overlap across bsets: the newer wins", "made-small", func(s *scene) {
			for _, k := range s.pair(504, 104, 480, 16) {
				s.AddSet(s.Root(), k)
			}
		}, nil},
		{"bset of version 0", "made-small", func(s *scene) {
			s.data(504, 104, 0)
			s.RawSet(s.Root(), 1, func(b []byte) { le.PutUint32(b[24:], 0) })
		}, nil},
		{"leftovers of an older lap behind the newest entry", "made-small", func(s *scene) {
			first := s.Newest()
			s.EditNewest(func(j *ondisk.Jset) { j.Seq, j.LastSeq = 90, 90 })
			old := *first.Jset
			old.Seq, old.LastSeq = 12, 12
			s.PutEntry(first.Sector+s.Geo.BlockSectors, &old)
		}, nil},
		{"records of freed nodes", "made-tree", func(s *scene) {
			for _, b := range s.Free(2) {
				k := s.Key(0, 0, s.Geo.NodeSectors, s.Geo.Start(b), 2)
				s.AddSet(s.upper(0), k)
			}
		}, nil},
		{"label with a newline", "two-backing-flash", func(s *scene) {
			s.EditSlot(1, func(u *ondisk.UUIDEntry) { u.Label = [32]byte{'a', '\n'} })
		}, nil},
		{"chain before the current one, over and over", "made-chain", func(s *scene) {
			c := s.Chain()
			s.EditPrio(2, func(p *ondisk.PrioSet) { p.NextBucket = uint64(c[0]) })
		}, nil},
		{"never registered", "made-small", func(s *scene) {
			s.EditSuper(func(sb *ondisk.Super) { sb.SetSync(false); sb.Version, sb.Seq = 0, 0; planter.SetJournal(sb, 1, 0) })
			s.WipeEntry(s.Newest())
		}, nil},
	} {
		d.test(t)
	}
}

// A stale dirty pointer names what may be lost.
func TestStaleDirtyNamesTheSectors(t *testing.T) {
	s := open(t, "writeback-dirty")
	k := s.Extent(dirty).Key
	b := s.bucketOf(k)
	s.SetGen(b, k.Ptr[0].Gen()+1)
	for _, f := range s.check(t).Findings {
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
	base := open(t, "writeback-crash")
	sb, newest, root := base.Super(), base.Newest(), base.Root()
	type region struct {
		name    string
		from, n int64
		every   int64
		at      finding.Severity
	}
	regions := []region{
		{"superblock", ondisk.SuperOffset, 208 + 8*int64(sb.Keys), 5, damaged},
		{"newest journal entry", newest.Sector.Bytes(), int64(newest.Bytes), 9, warning},
		{"prio set", base.Geo.Start(base.Chain()[0]).Bytes(), base.Geo.MetaSectors.Bytes(), 6000, damaged},
	}
	for i, set := range base.Sets(root) {
		at := (root.Sector() + set.At).Bytes()
		regions = append(regions, region{fmt.Sprintf("header of bset %d", i), at, ondisk.BsetBytes, 3, damaged},
			region{fmt.Sprintf("keys of bset %d", i), at + ondisk.BsetBytes, set.Bytes() - ondisk.BsetBytes, 16000, damaged})
	}
	for _, r := range regions {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for at := r.from; at < r.from+r.n; at += r.every {
				s := open(t, "writeback-crash")
				bit := uint(at) % 8
				s.Flip(at, bit)
				seen := s.check(t)
				if seen.Result != fsck.Damaged && (r.at == damaged || len(seen.Findings) == 0) {
					t.Errorf("bit %d of byte %d flipped: %v", bit, at-r.from, codes(seen))
				}
			}
		})
	}
}
