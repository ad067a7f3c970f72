// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// spoil makes the first prio set unreadable, beyond what its checksum could mend.
func spoil(s *damages.Scene) {
	at := s.Geo.Start(s.Chain()[0]).Bytes()
	s.Main.Put(at, slices.Repeat([]byte{0xa5}, 4096))
}

// dirtyOf are the dirty sectors of each volume, and the buckets they are in, by the undamaged set.
func dirtyOf(t *testing.T, devs []fsck.Device) (sums map[uint32]ondisk.Sector, buckets map[ondisk.Bucket]bool, bucket int64) {
	t.Helper()
	was, err := truthOf(devs)
	if err != nil {
		t.Fatal(err)
	}
	r := planned(t, devs)
	sums, buckets = map[uint32]ondisk.Sector{}, map[ondisk.Bucket]bool{}
	bucket = devs[0].Size / int64(r.Before.Summary.Buckets.Total)
	for inode, places := range was.Volumes {
		for _, p := range places {
			if p.Dirty() {
				sums[inode]++
				buckets[ondisk.Bucket(p.At()/bucket)] = true
			}
		}
	}
	return sums, buckets, bucket
}

// Dirty data whose gens only their own pointers tell are told of: all of them, by volume and bucket, whatever else is
// damaged. What is clean, and what stands under another mender, is not.
func TestUnconfirmed(t *testing.T) {
	for _, base := range []string{"writeback-crash", "two-backing-flash", "fifo-full"} {
		for _, more := range []bool{false, true} {
			s := scenes.Open(t, base)
			sums, buckets, _ := dirtyOf(t, devices(s))
			spoil(s)
			if more { // the tree's mender does it, with the gens of no chain or of an older one
				s.Main.Put(s.Geo.Start(s.UUIDBucket()).Bytes(), slices.Repeat([]byte{0xa5}, 4096))
			}
			r := planned(t, devices(s))
			if _, left := r.Damages(); left > 0 {
				t.Errorf("%s: %v left", base, codes(r.After))
			}
			var told ondisk.Sector
			for _, u := range r.Unconfirmed {
				told += u.Sectors
				if sums[u.Inode] != u.Sectors {
					t.Errorf("%s, more %v: %v, want %d", base, more, u, sums[u.Inode])
				}
			}
			if len(r.Unconfirmed) != len(sums) || told != r.Doubtful() {
				t.Errorf("%s, more %v: %v of %v", base, more, r.Unconfirmed, sums)
			}
			n := 0
			for _, run := range r.InDoubt {
				for b := run.First; b <= run.Last; b++ {
					n++
					if !buckets[b] {
						t.Errorf("%s: bucket %d holds nothing dirty", base, b)
					}
				}
			}
			if n != len(buckets) {
				t.Errorf("%s: %d buckets in doubt, %d are dirty", base, n, len(buckets))
			}
		}
	}
}

// A key that the journal took after the chain was written has that chain's gen, so it is sure; the same in the tree is
// not, unless the backing device holds the same. It stays then, for kernels note each dirty pointer that is stale; only
// where its bucket has clean data that differ below, and may be old, all of that is left stale.
func TestConfirmed(t *testing.T) {
	for _, where := range []string{"journal", "tree", "held", "held beside old"} {
		s := scenes.Open(t, "fifo-full")
		free := s.Free(1)[0]
		at, leaf := ondisk.Sector(496), planter.Node{}
		for _, n := range s.Leaves() {
			if s.End(n)+s.Geo.BlockSectors <= s.Geo.NodeSectors { // it has room
				leaf = n
				break
			}
			at = n.Key.Offset()
		}
		k := planter.Dirty(s.Key(0, at+8, 8, s.Geo.Start(free), s.Prios()[free].Gen))
		beside := s.Key(0, at+16, 8, s.Geo.Start(free)+8, s.Prios()[free].Gen)
		switch where {
		case "journal":
			s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{k} })
		case "held beside old":
			s.Put(beside.Ptr[0].Offset().Bytes(), []byte{1})
			s.Back[0].Put(beside.Start().Bytes(), []byte{2})
			s.AddSet(leaf, k, beside)
		default:
			s.AddSet(leaf, k)
		}
		if strings.HasPrefix(where, "held") {
			s.Give = 1
			s.Back[0].Put(k.Start().Bytes(), s.Main.Bytes(k.Ptr[0].Offset().Bytes(), int(k.Size().Bytes())))
		}
		spoil(s)
		r := planned(t, devices(s))
		if want := where == "tree"; (r.Doubtful() == 8) != want || !want && r.Doubtful() > 0 {
			t.Errorf("%s: %v", where, r.Unconfirmed)
		}
		after, err := truthOf(after(r, devices(s)))
		if err != nil {
			t.Fatal(err)
		}
		if p := after.Volumes[0]; (int(at) < len(p) && p[at].Dirty()) != (where != "held beside old") {
			t.Errorf("%s: the key is not as it should be", where)
		}
	}
}

// A cache that was never registered has no journal to lead anywhere: nothing is planned for it, whatever a backing
// device says.
func TestNeverRegistered(t *testing.T) {
	s := scenes.Open(t, "empty-registered")
	s.EditSuper(func(sb *ondisk.Super) { sb.SetSync(false); sb.Version = 0; planter.SetJournal(sb, 1, 0) })
	for b := range s.Geo.NBuckets {
		if b >= s.Geo.FirstBucket && b < s.Geo.FirstBucket+20 {
			s.Wipe(b)
		}
	}
	s.Give = 1
	planter.EditSuper(s.Back[0], func(sb *ondisk.Super) { sb.SetUUID = s.Super().SetUUID; sb.SetState(ondisk.StateDirty) })
	r := planned(t, devices(s))
	if before, after := r.Damages(); before != 1 || after != 1 || r.Plans[0] != nil {
		t.Errorf("%v, then %v", codes(r.Before), codes(r.After))
	}
}

// Dirty data that cannot be read are not compared with the backing device, and do not end the repair.
func TestUnreadableDirty(t *testing.T) {
	s := scenes.Open(t, "writeback-crash-mid")
	bad := s.Geo.Start(s.Chain()[0])
	s.Put(bad.Bytes(), make([]byte, pageBytes))
	was, err := truthOf(allOf(s))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range was.Volumes {
		for _, p := range v {
			if p.Dirty() {
				s.Fail(p.At(), ondisk.SectorBytes)
			}
		}
	}
	if r := planned(t, allOf(s)); r.Plans[0] == nil || len(codes(r.After)) > 0 {
		t.Errorf("%v, %q", codes(r.After), r.Evidence)
	}
}
