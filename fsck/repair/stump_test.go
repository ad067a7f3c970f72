// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"fmt"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// cutInside is a scene whose device ends so many sectors, counted from the end where they are negative, behind the
// beginning of the last bucket with dirty data. It is nil where too few buckets would be left, or the sectors there are
// not of several extents.
func cutInside(t *testing.T, name string, behind int) *damages.Scene {
	t.Helper()
	s := scenes.Open(t, name)
	last := ondisk.Bucket(0)
	for _, is := range live(t, allOf(s)[0]) {
		if b := s.Geo.BucketOf(is.at); is.dirty {
			last = max(last, b)
		}
	}
	if behind < 0 {
		behind += int(s.Geo.BucketSectors)
	}
	if last < superblock.MinBuckets || behind <= 0 || behind >= int(s.Geo.BucketSectors) {
		return nil
	}
	s.Resize((s.Geo.Start(last) + ondisk.Sector(behind)).Bytes())
	return s
}

// A device that ends inside of a bucket with dirty data loses those behind its end, and no others: the bucket's are in
// another then. Where that was cut short, another run ends likewise.
func TestCutBucket(t *testing.T) {
	images, cuts := []string{"writeback-dirty"}, []int{16}
	if imgtest.Elsewhere() {
		images, cuts = imgtest.AllNames(t), []int{8, 16, 96, 512, -8, -32}
	}
	for _, name := range images {
		was, err := truthOf(allOf(scenes.Open(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, behind := range cuts {
			s := cutInside(t, name, behind)
			if s == nil {
				continue
			}
			r, bad := repairBy(t, was, baselineOf(scenes.Open(t, name), s), allOf(s))
			said := strings.Join(r.Evidence, "\n")
			if full := strings.Contains(said, "every other bucket holds dirty data"); len(bad) > 0 && !full {
				t.Errorf("%s, %d sectors: %v\n%v %q", name, behind, bad, codes(r.Before), r.Evidence)
			}
			if !imgtest.Elsewhere() && !strings.Contains(said, "which the device's end cuts:") {
				t.Errorf("%s, %d sectors: nothing was moved", name, behind)
			}
		}
	}
}

// stumped is a cache of which the last bucket has dirty data, and one that ends inside of them.
func stumped(t *testing.T) (whole, s *damages.Scene) {
	t.Helper()
	whole = scenes.Open(t, "writeback-dirty")
	last := whole.Geo.NBuckets - 1
	at, gen := whole.Geo.Start(last), whole.Prios()[last].Gen
	for range 3 {
		p := whole.Extent(func(k *ondisk.Bkey) bool {
			return k.Dirty() && k.Size() <= 32 && whole.Geo.BucketOf(k.Ptr[0].Offset()) != last
		})
		whole.Put(at.Bytes(), whole.Bytes(p.Key.Ptr[0].Offset().Bytes(), int(p.Key.Size().Bytes())))
		from := p.Key.Ptr[0].Offset()
		whole.EditKey(p, func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(gen, at, 0) })
		for _, e := range whole.Entries() {
			whole.EditEntry(e, func(j *ondisk.Jset) {
				for i := range j.Keys {
					if k := &j.Keys[i]; k.Ptr[0].Offset() >= from && k.Ptr[0].Offset() < from+p.Key.Size() {
						k.Ptr[0] = ondisk.MakePtr(gen, at+k.Ptr[0].Offset()-from, 0)
					}
				}
			})
		}
		at += p.Key.Size()
	}
	s = damages.New(planter.Open(t, whole.Copy()), whole.Back...)
	s.Resize((at - 24).Bytes())
	return whole, s
}

// Where a repair that moves such data is cut short, another one ends likewise.
func TestCutBucketCuts(t *testing.T) {
	whole, s := stumped(t)
	was, err := truthOf(allOf(whole))
	if err != nil {
		t.Fatal(err)
	}
	r, bad := repairBy(t, was, baselineOf(whole, s), allOf(s))
	if len(bad) > 0 || len(r.Lost) == 0 {
		t.Fatalf("%v, given up %v", bad, r.Lost)
	}
	if testing.Short() {
		return
	}
	dev := allOf(s)[0]
	want := content(t, after(r, []fsck.Device{dev})[0])
	n := 0
	eachCut(t, dev, r, func(state string, cut fsck.Device) {
		if n++; n%9 > 0 {
			return
		}
		second := planned(t, []fsck.Device{cut})
		if second.Plans[0] != nil {
			cut.R = second.Plans[0].Overlay(cut.R)
		}
		if got := content(t, cut); second.After.Result == fsck.Damaged || got != want {
			t.Errorf("%s: %v", state, codes(second.After))
		}
	})
}

// content is a sum over all sectors that a cache holds, wherever it has them.
func content(t *testing.T, d fsck.Device) (sum uint64) {
	t.Helper()
	b := make([]byte, ondisk.SectorBytes)
	for at, is := range live(t, d) {
		if _, err := d.R.ReadAt(b, is.at.Bytes()); err != nil {
			t.Fatal(err)
		}
		sum += ondisk.Crc64(fmt.Appendf(b, "%v %v", at, is.dirty))
	}
	return sum
}

// A cache that was never registered, on a device that became shorter, has as many buckets as fit.
func TestShorterUnused(t *testing.T) {
	const bucket, buckets = 128, 700
	size := ondisk.Sector(bucket * buckets).Bytes()
	s, err := superblock.FormatCache(superblock.FormatOptions{UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2}, BlockSectors: 8, BucketSectors: bucket}, superblock.Device{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	m := planter.NewImage(nil, size)
	m.Put(ondisk.SuperOffset, s.Append(nil))
	m.Resize(size - 4096)
	devs := []fsck.Device{{Name: "cache", R: m, Size: m.Size()}}
	r := planned(t, devs)
	is, err := superblock.Read(after(r, devs)[0].R)
	if err != nil || is.Nbuckets != buckets-1 || r.After.Result == fsck.Damaged || len(r.Lost) > 0 {
		t.Errorf("%v, %d buckets, %v", err, is.Nbuckets, codes(r.After))
	}
}
