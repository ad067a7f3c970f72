// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

// A crammed cache has data in every bucket that the kernel may use, but for so many.
type crammed struct {
	*planter.Image
	geo    superblock.Geometry
	places map[string][]ondisk.Sector // of each structure
}

// cram makes a cache of 900 buckets. dirty says of extent i of a bucket whether it is.
func cram(t *testing.T, free int, dirty func(b, i int) bool) *crammed {
	t.Helper()
	const buckets, bucket, inBucket = 900, 128, 16
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	size := ondisk.Sector(buckets * bucket).Bytes()
	s, err := superblock.FormatCache(superblock.FormatOptions{
		UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2, 3, 4, 5, 6, 7, 8, 9}, BlockSectors: 8, BucketSectors: bucket,
	}, superblock.Device{Size: size})
	check(err)
	newset.Register(s, 1700000000)
	c := &crammed{Image: planter.NewImage(nil, size), places: map[string][]ondisk.Sector{}}
	put := func(w plan.Write) error { c.Put(w.Off, w.Data); return nil }
	set, err := newset.New(s, free, put)
	check(err)
	c.geo = set.Geo
	nodes := 10 // for the keys of the data buckets that are left
	if free == 0 {
		nodes = 11
	}
	first := buckets - int(set.Left()) + nodes // of the data, behind the nodes
	n := (buckets - first) * inBucket
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	seq := uint64(6)
	tree, err := set.Tree(60, 0, func() uint64 { seq++; return seq })
	check(err)
	for at, slot := range order {
		b, i := slot/inBucket, slot%inBucket
		k := ondisk.MakeKey(0, ondisk.Sector(16+8*at+8), 8)
		k.SetPtrs(1)
		k.SetDirty(dirty(b, i))
		k.Ptr[0] = ondisk.MakePtr(uint8(1+b%3), c.geo.Start(ondisk.Bucket(first+b))+ondisk.Sector(8*i), 0)
		check(tree.Add(&k))
	}
	root, level, err := tree.Finish()
	check(err)
	if took := buckets - int(set.Left()) - (first - nodes); took != nodes {
		t.Fatalf("%d nodes, expected %d", took, nodes)
	}
	entry := func(b ondisk.Bucket, meta bool) ondisk.PrioEntry {
		switch {
		case meta:
			return ondisk.PrioEntry{Prio: ondisk.BtreePrio}
		case int(b) < first:
			return ondisk.PrioEntry{}
		}
		return ondisk.PrioEntry{Prio: uint16(1 + b), Gen: uint8(1 + (int(b)-first)%3)}
	}
	slot := ondisk.UUIDEntry{UUID: ondisk.UUID{3, 1, 4, 1, 5, 9, 2, 6, 5}, FirstReg: 1700000000, LastReg: 1700000000}
	last, err := set.Finish(newset.Contents{Volumes: uuids.Table{slot}, Root: root, Level: level, Entry: entry})
	check(err)
	c.Put(last.Off, last.Data)
	c.Put(ondisk.SuperOffset, s.Append(nil))
	j := planter.Open(t, c.Image).Newest()
	c.places["root"] = []ondisk.Sector{root.Ptr[0].Offset()}
	c.places["prio"] = []ondisk.Sector{c.geo.Start(ondisk.Bucket(j.PrioBucket[0]))}
	c.places["uuid"] = []ondisk.Sector{j.UUIDBucket.Ptr[0].Offset()}
	for i := range c.geo.NJournal {
		c.places["journal"] = append(c.places["journal"], c.geo.Start(c.geo.FirstBucket+ondisk.Bucket(i)))
	}
	return c
}

// lacking is the cache with the beginnings of some structures zeroed.
func (c *crammed) lacking(what ...string) fsck.Device {
	m := c.Copy()
	for _, name := range what {
		for _, at := range c.places[name] {
			m.Put(at.Bytes(), make([]byte, 4096))
		}
	}
	return fsck.Device{Name: "cache", R: m, Size: m.Size()}
}

// structures are the structures that are lost together.
var structures = [][]string{
	{"root"},
	{"prio"},
	{"uuid"},
	{"journal"},
	{"root", "prio"},
	{"root", "uuid"},
	{"prio", "uuid"},
	{"journal", "root"},
	{"journal", "prio"},
	{"journal", "uuid"},
	{"root", "prio", "uuid"},
	{"root", "prio", "uuid", "journal"},
}

// Whatever is lost of a full cache, all dirty data are there again.
func TestFull(t *testing.T) {
	for name, x := range map[string]struct {
		free  int
		dirty func(b, i int) bool
	}{
		"dirty and clean buckets": {21, func(b, i int) bool { return b%3 > 0 && i > 3 }},
		"mixed buckets":           {21, func(b, i int) bool { return (b+i)%2 == 0 }},
		"all dirty":               {21, func(int, int) bool { return true }},
		"no bucket free":          {0, func(b, i int) bool { return b%3 > 0 && i > 3 }},
	} {
		t.Run(name, func(t *testing.T) {
			c := cram(t, x.free, x.dirty)
			was, err := truthOf([]fsck.Device{c.lacking()})
			if err != nil {
				t.Fatal(err)
			}
			for _, what := range structures {
				r, bad := repairWell(t, was, []fsck.Device{c.lacking(what...)})
				if len(bad) > 0 {
					t.Errorf("%v: %v\n%v", what, bad[:min(3, len(bad))], r.Evidence)
				}
			}
		})
	}
}

// Where every bucket holds dirty data, and none is free, nothing can be written, and the repair says why.
func TestNoRoom(t *testing.T) {
	c := cram(t, 0, func(int, int) bool { return true })
	r := planned(t, []fsck.Device{c.lacking("root", "prio")})
	if r.After.Result != fsck.Damaged || slices.ContainsFunc(r.Plans, func(p *plan.Plan) bool { return p != nil }) {
		t.Fatalf("%v is left, plans %v", codes(r.After), r.Plans)
	}
	if !slices.ContainsFunc(r.Evidence, func(s string) bool { return strings.Contains(s, "every other bucket holds dirty data") }) {
		t.Errorf("%q", r.Evidence)
	}
}

// A repair that writes over clean data, for there is no other room, may be cut anywhere, too.
func TestFullCuts(t *testing.T) {
	c := cram(t, 0, func(b, i int) bool { return b%3 > 0 && i > 3 })
	dev := c.lacking("root")
	r := planned(t, []fsck.Device{dev})
	want := live(t, after(r, []fsck.Device{dev})[0])
	if len(want) == 0 || r.After.Result == fsck.Damaged {
		t.Fatalf("%d sectors, %v", len(want), codes(r.After))
	}
	before := powercut.New(dev.R, dev.Size)
	done := before.Fork()
	if err := r.Plans[0].Run(done); err != nil {
		t.Fatal(err)
	}
	for state, cut := range done.Cuts(before, 1) {
		again := dev
		again.R = cut
		second := planned(t, []fsck.Device{again})
		if second.Plans[0] != nil {
			again.R = second.Plans[0].Overlay(again.R)
		}
		if got := live(t, again); second.After.Result == fsck.Damaged || !maps.Equal(got, want) {
			t.Errorf("%s: %d sectors, want %d; %v", state, len(got), len(want), codes(second.After))
		}
	}
}
