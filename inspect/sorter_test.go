// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// Of each bucket a sorter hands out what its keys say, in their order; the keys that do not lie as they should, or are of
// another volume, stay with whoever gave them.
func TestSorter(t *testing.T) {
	g := superblock.Sizes(8, 128, 1, 2*RunBuckets+99)
	c := &Cache{Geo: g, Buckets: newBuckets(&g)}
	type said struct {
		gen    uint8
		dirty  bool
		size   ondisk.Sector
		number int
	}
	got, want := map[ondisk.Bucket][]said{}, map[ondisk.Bucket][]said{}
	s := c.NewSorter(func(first ondisk.Bucket, rows []uint64) {
		if first%RunBuckets != 0 {
			t.Fatalf("a run begins with bucket %d", first)
		}
		for _, w := range rows {
			r := Row(w)
			b := first + r.In()
			got[b] = append(got[b], said{r.Gen(), r.Dirty(), r.Sectors(), r.Number()})
		}
	})
	rnd := rand.New(rand.NewPCG(1, 2))
	var keys []byte
	var odd []bool
	const volume, end, number = 5, 1 << 30, 77
	for range 60000 {
		k, b := ondisk.MakeKey(volume, end, 8*ondisk.Sector(1+rnd.IntN(4))), g.FirstBucket+ondisk.Bucket(rnd.IntN(2*RunBuckets))
		k.SetPtrs(1)
		k.SetDirty(rnd.IntN(2) == 0)
		k.Ptr[0] = ondisk.MakePtr(uint8(rnd.Uint32()), g.Start(b)+8*ondisk.Sector(rnd.IntN(13)), uint64(g.ThisDev))
		is := true
		switch rnd.IntN(1000) {
		case 0:
			k.SetInode(volume + 1)
		case 1:
			k.Low += 8 // behind the end of the volume
		case 2:
			k.Ptr[0] += 1 << 8 // not a block
		case 3:
			k.Ptr[0] = ondisk.MakePtr(0, 0, uint64(g.ThisDev)) // before the first bucket
		case 4:
			k.Ptr[0] = ondisk.MakePtr(0, g.Start(b), uint64(g.ThisDev)+1)
		case 5:
			k.SetSize(136)
		default:
			is = false
			want[b] = append(want[b], said{k.Ptr[0].Gen(), k.Dirty(), k.Size(), number})
		}
		keys, odd = k.Append(keys), append(odd, is)
	}
	s.Turn(volume, end, number)
	for all := keys; len(keys) > 0; keys = keys[btree.PlainKey:] {
		if keys = s.Lay(keys); len(keys) == 0 {
			break
		}
		if at := (len(all) - len(keys)) / btree.PlainKey; !odd[at] {
			t.Fatalf("key %d is left", at)
		}
		odd[(len(all)-len(keys))/btree.PlainKey] = false
	}
	if slices.Contains(odd, true) {
		t.Error("an odd key was taken")
	}
	b := g.FirstBucket + 7
	s.Settle(b)
	if !slices.Equal(got[b], want[b]) {
		t.Errorf("bucket %d settled: %v, want %v", b, got[b], want[b])
	}
	s.Empty()
	for b := range c.Buckets.Len() {
		if !slices.Equal(got[b], want[b]) {
			t.Fatalf("bucket %d: %v, want %v", b, got[b], want[b])
		}
	}
}
