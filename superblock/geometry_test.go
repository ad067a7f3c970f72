// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"bctl/internal/bcache/ondisk"
)

// The sizes that follow from a bucket's, written out: a metadata bucket is at most 4 MiB, a node a quarter of it but
// at least 256 KiB, a prio takes three bytes, a uuid slot 128.
func TestGeometrySizes(t *testing.T) {
	for _, c := range []struct {
		bucket             ondisk.Sector
		version            uint64
		stored, hi         uint16
		incompat           uint64
		meta, node         ondisk.Sector
		perBucket, nrUUIDs int
	}{
		{8, 0, 8, 0, 0, 8, 8, 1352, 32},
		{16, 3, 16, 0, 0, 16, 16, 2717, 64},
		{32, 3, 32, 0, 0, 32, 32, 5448, 128},
		{64, 3, 64, 0, 0, 64, 64, 10909, 256},
		{128, 3, 128, 0, 0, 128, 128, 21832, 512},
		{256, 3, 256, 0, 0, 256, 256, 43677, 1024},
		{512, 3, 512, 0, 0, 512, 512, 87368, 2048},
		{1024, 3, 1024, 0, 0, 1024, 512, 174749, 4096},
		{2048, 3, 2048, 0, 0, 2048, 512, 349512, 8192},
		{4096, 3, 4096, 0, 0, 4096, 1024, 699037, 16384},
		{8192, 3, 8192, 0, 0, 8192, 2048, 1398088, 32768},
		{16384, 3, 16384, 0, 0, 8192, 2048, 1398088, 32768},
		{32768, 3, 32768, 0, 0, 8192, 2048, 1398088, 32768},
		// 32 MiB does not fit sixteen bits: the logarithm, and the form before it.
		{65536, 5, 16, 0, ondisk.FeatureLogBucketSize, 8192, 2048, 1398088, 32768},
		{65536, 5, 0, 1, ondisk.FeatureObsoLargeBucket, 8192, 2048, 1398088, 32768},
		// Small ones of version 5, in all its forms; with both bits the logarithm wins.
		{1024, 5, 1024, 0, 0, 1024, 512, 174749, 4096},
		{1024, 5, 10, 0, ondisk.FeatureLogBucketSize, 1024, 512, 174749, 4096},
		{1024, 5, 1024, 0, ondisk.FeatureObsoLargeBucket, 1024, 512, 174749, 4096},
		{1024, 5, 10, 7, ondisk.FeatureLogBucketSize | ondisk.FeatureObsoLargeBucket, 1024, 512, 174749, 4096},
		// Features of versions that have none are not looked at.
		{1024, 3, 1024, 9, ondisk.FeatureLogBucketSize | ondisk.FeatureObsoLargeBucket, 1024, 512, 174749, 4096},
		{1 << 31, 5, 31, 0, ondisk.FeatureLogBucketSize, 8192, 2048, 1398088, 32768},
	} {
		s := &ondisk.Super{
			Version: c.version, BucketSize: c.stored, ObsoBucketSizeHi: c.hi, FeatureIncompat: c.incompat,
			BlockSize: 1, Nbuckets: 2048, FirstBucket: 3, Keys: 16, NrInSet: 1, SetUUID: ondisk.UUID{1},
		}
		g, err := NewGeometry(s)
		if err != nil {
			t.Errorf("bucket of %d: %v", c.bucket, err)
			continue
		}
		if g.BucketSectors != c.bucket || g.MetaSectors != c.meta || g.NodeSectors != c.node || g.PriosPerBucket() != c.perBucket || g.NrUUIDs() != c.nrUUIDs {
			t.Errorf("bucket of %d: %+v, %d prios, %d uuids; want %+v", c.bucket, g, g.PriosPerBucket(), g.NrUUIDs(), c)
		}
		if g.SetMagic != 1 || g.FirstBucket != 3 || g.NBuckets != 2048 || g.NJournal != 16 || g.Size() != 2048*c.bucket.Bytes() {
			t.Errorf("bucket of %d: %+v, %d bytes", c.bucket, g, g.Size())
		}
	}
}

func TestPrioBuckets(t *testing.T) {
	for _, c := range []struct {
		nbuckets uint64
		want     int
	}{{1, 1}, {1351, 1}, {1352, 1}, {1353, 2}, {2704, 2}, {2705, 3}, {1352 * 1000, 1000}, {1352*1000 + 1, 1001}} {
		g, err := NewGeometry(&ondisk.Super{BucketSize: 8, BlockSize: 8, Nbuckets: c.nbuckets})
		if err != nil {
			t.Fatal(err)
		}
		if got := g.PrioBuckets(); got != c.want {
			t.Errorf("%d buckets: %d sets, want %d", c.nbuckets, got, c.want)
		}
	}
}

func TestJournalCount(t *testing.T) {
	for nbuckets, want := range map[uint64]int{
		0: 2, 128: 2, 383: 2, 384: 3, 513: 4, 2048: 16, 32767: 255, 32768: 256, 1 << 40: 256, math.MaxUint64: 256,
	} {
		if got := JournalCount(nbuckets); got != want {
			t.Errorf("%d buckets: %d, want %d", nbuckets, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	g, err := NewGeometry(&ondisk.Super{BucketSize: 128, BlockSize: 8, Nbuckets: 1000, FirstBucket: 2, Keys: 7})
	if err != nil {
		t.Fatal(err)
	}
	if g.Start(3) != 384 || g.BucketOf(384) != 3 || g.BucketOf(511) != 3 || g.BucketOf(512) != 4 || g.Remainder(384) != 0 || g.Remainder(511) != 127 {
		t.Error("buckets and sectors do not fit together")
	}
	for b, want := range map[ondisk.Bucket][2]bool{ // may be named, is a journal bucket
		0: {}, 1: {}, 2: {true, true}, 8: {true, true}, 9: {true, false}, 999: {true, false}, 1000: {}, math.MaxUint64: {},
	} {
		if got := [2]bool{g.Contains(b), g.IsJournal(b)}; got != want {
			t.Errorf("bucket %d: %v, want %v", b, got, want)
		}
	}
	for bytes, want := range map[int64]ondisk.Sector{0: 0, 1: 8, 512: 8, 4096: 8, 4097: 16, 8192: 16, 1<<35 + 240: 1<<26 + 8} {
		if got := g.Blocks(bytes); got != want {
			t.Errorf("%d bytes take %d sectors, want %d", bytes, got, want)
		}
	}
}

func TestDataOffset(t *testing.T) {
	for _, c := range []struct {
		version, stored uint64
		want            ondisk.Sector
	}{{1, 0, 16}, {1, 99, 16}, {4, 16, 16}, {4, 2048, 2048}, {6, 17, 17}} {
		if got := DataOffset(&ondisk.Super{Version: c.version, Nbuckets: c.stored}); got != c.want {
			t.Errorf("version %d, %d stored: %d, want %d", c.version, c.stored, got, c.want)
		}
	}
}

// geometryErrors are all that NewGeometry may give.
var geometryErrors = []error{ErrBlockSize, ErrBlockPage, ErrBucketSize, ErrBucketPage, ErrBucketBlocks, ErrTooManyBuckets, ErrJournalCount}

func TestNoGeometry(t *testing.T) {
	sound := ondisk.Super{BucketSize: 128, BlockSize: 8, Nbuckets: 1000, FirstBucket: 1}
	for _, c := range []struct {
		name string
		edit func(s *ondisk.Super)
		want error
	}{
		{"sound", func(*ondisk.Super) {}, nil},
		{"no blocks", func(s *ondisk.Super) { s.BlockSize = 0 }, ErrBlockSize},
		{"odd blocks", func(s *ondisk.Super) { s.BlockSize = 12 }, ErrBlockSize},
		{"huge blocks", func(s *ondisk.Super) { s.BlockSize = 256 }, ErrBlockPage},
		{"no bucket", func(s *ondisk.Super) { s.BucketSize = 0 }, ErrBucketSize},
		{"odd bucket", func(s *ondisk.Super) { s.BucketSize = 100 }, ErrBucketSize},
		{"logarithm of 32", func(s *ondisk.Super) { s.Version, s.FeatureIncompat, s.BucketSize = 5, 2, 32 }, ErrBucketSize},
		{"bucket below a page", func(s *ondisk.Super) { s.BucketSize = 4 }, ErrBucketPage},
		{"bucket below a block", func(s *ondisk.Super) { s.BucketSize, s.BlockSize = 8, 16 }, ErrBucketBlocks},
		{"bucket of one block", func(s *ondisk.Super) { s.BucketSize = 8 }, nil}, // Check names it; it can be read
		{"no buckets", func(s *ondisk.Super) { s.Nbuckets = 0 }, ErrTooManyBuckets},
		{"bytes up to 2^63-1", func(s *ondisk.Super) { s.Nbuckets = 1<<47 - 1 }, nil},
		{"bytes beyond", func(s *ondisk.Super) { s.Nbuckets = 1 << 47 }, ErrTooManyBuckets},
		{"all ones", func(s *ondisk.Super) { s.Nbuckets = math.MaxUint64 }, ErrTooManyBuckets},
		{"257 journal buckets", func(s *ondisk.Super) { s.Keys = 257 }, ErrJournalCount},
	} {
		s := sound
		c.edit(&s)
		g, err := NewGeometry(&s)
		if !errors.Is(err, c.want) || err != nil && g != (Geometry{}) {
			t.Errorf("%s: %+v, %v; want %v", c.name, g, err, c.want)
		}
	}
	s := sound
	s.NrThisDev = 9 // it indexes prio_bucket[8]
	if g, err := NewGeometry(&s); err != nil || g.ThisDev != 0 {
		t.Errorf("device 9 of a set: %d, %v", g.ThisDev, err)
	}
}

// Whatever 4096 bytes say: judging them never panics, and sizes derived from them are sane.
func FuzzCheck(f *testing.F) {
	for _, s := range kernelMade(f) {
		f.Add(s.Append(nil), int64(256<<20), 512, int64(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, size int64, logical int, now int64) {
		b = append(bytes.Clone(b[:min(len(b), ondisk.SuperSize)]), make([]byte, max(0, ondisk.SuperSize-len(b)))...)
		s, err := ondisk.DecodeSuper(b)
		if err != nil {
			t.Fatal(err)
		}
		judge(t, s, Device{Size: max(size, 0), LogicalBlock: logical, Now: now})
		s.Magic, s.Offset, s.Version = ondisk.SuperMagic, uint64(ondisk.SuperSector), s.Version%8
		s.Csum = s.Checksum()
		judge(t, s, Device{Size: max(size, 0), LogicalBlock: logical, Now: now})
	})
}

func judge(t *testing.T, s *ondisk.Super, d Device) {
	faults := Check(s, d)
	Label(s.Label)
	g, err := NewGeometry(s)
	if err != nil {
		known := false
		for _, e := range geometryErrors {
			known = known || errors.Is(err, e)
		}
		if !known || g != (Geometry{}) {
			t.Fatalf("%+v, %v", g, err)
		}
		if !s.IsBacking() && s.Version <= 5 && s.Version != 2 && len(faults) == 0 {
			t.Fatalf("no fault, but no sizes: %v", err)
		}
		return
	}
	if g.NodeSectors > g.MetaSectors || g.MetaSectors > g.BucketSectors || g.BlockSectors == 0 || g.BlockSectors > g.NodeSectors ||
		g.PriosPerBucket() < 1 || g.PrioBuckets() < 1 || g.NrUUIDs() < 1 || g.Size() < 4096 || g.ThisDev >= ondisk.MaxCachesPerSet {
		t.Fatalf("%+v", g)
	}
	if last := g.NBuckets - 1; g.BucketOf(g.Start(last)) != last || g.Start(last).Bytes() < 0 || g.Start(last).Bytes()+g.BucketSectors.Bytes() != g.Size() {
		t.Fatalf("%+v: its last bucket is nowhere", g)
	}
}

// What two kernels reserve, by cache_alloc of 6.1 and of 6.16.
func TestReserve(t *testing.T) {
	for _, c := range []struct {
		buckets             uint64
		reserve, ofAnyOther int
	}{
		{513, 1 + 8, 1 + 32},
		{2048, 1 + 16, 1 + 32},
		{4096, 1 + 32, 1 + 32},
		{1 << 20, 7 + 256, 7 + 256},
	} {
		s := &ondisk.Super{BlockSize: 8, BucketSize: 1024, Nbuckets: c.buckets, FirstBucket: 1, Keys: uint16(JournalCount(c.buckets))}
		g, err := NewGeometry(s)
		if err != nil {
			t.Fatal(err)
		}
		if g.Reserve() != c.reserve || g.LargestReserve() != c.ofAnyOther {
			t.Errorf("%d buckets: %d and %d, want %+v", c.buckets, g.Reserve(), g.LargestReserve(), c)
		}
		next := ondisk.Bucket(0)
		for i := range g.PrioBuckets() {
			first, count := g.PrioSpan(i)
			set, entry := g.PrioPlace(first + ondisk.Bucket(count) - 1)
			if first != next || count < 1 || set != i || entry != count-1 {
				t.Fatalf("%d buckets: set %d covers %d from %d on; its last is entry %d of set %d", c.buckets, i, count, first, entry, set)
			}
			next += ondisk.Bucket(count)
		}
		if next != g.NBuckets {
			t.Errorf("the sets cover %d of %d buckets", next, g.NBuckets)
		}
	}
}
