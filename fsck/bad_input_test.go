// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// Bounds of a check of any garbage in the size class of the images here.
const (
	mostTime   = 20 * time.Second // the machine may be busy
	mostMemory = 400 << 20        // allocated in all, freed or not: journal, nodes and tables of four million buckets
)

// survives checks the scene, whatever it holds: an error or a report, in time, without much memory.
func survives(t testing.TB, s *damages.Scene) (*fsck.Report, error) {
	t.Helper()
	if testing.Short() {
		t.Skip("bounds of time and memory, which the race detector takes ten times of")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	r, err := run(t, s)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > mostMemory {
		t.Errorf("allocated %d MiB", n>>20)
	}
	if took > mostTime {
		t.Errorf("took %v", took)
	}
	if (r == nil) == (err == nil) {
		t.Errorf("report %v, error %v", r, err)
	}
	return r, err
}

// Tests here do not run beside others: they measure memory.

func TestTruncated(t *testing.T) {
	for _, name := range []string{"writeback-crash", "fifo-full"} {
		base := scenes.Open(t, name)
		ends := []int64{0, 1, 511, 512, 4095, 4096, 4097, 8191, 8192, 65536}
		for _, b := range []ondisk.Bucket{base.Geo.FirstBucket, base.Geo.FirstBucket + 1, base.Chain()[0], base.UUIDBucket()} {
			ends = append(ends, base.Geo.Start(b).Bytes(), base.Geo.Start(b).Bytes()+700)
		}
		for _, n := range base.Leaves() {
			ends = append(ends, n.Sector().Bytes(), n.Sector().Bytes()+4096+77)
		}
		for i := range int64(7) {
			ends = append(ends, base.Size()/8*(i+1)+i*333)
		}
		for _, end := range append(ends, base.Size()-1) {
			s := scenes.Open(t, name)
			s.Resize(end)
			r, err := survives(t, s)
			switch {
			case end < 8192 && !errors.Is(err, superblock.ErrNotBcache):
				t.Errorf("%s cut at %d: %v, want %v", name, end, err, superblock.ErrNotBcache)
			case end >= 8192 && (err != nil || r.Result != fsck.Damaged):
				t.Errorf("%s cut at %d: %v, %v: want damage", name, end, r, err)
			}
		}
	}
}

func TestNoBcache(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{1})
	random := make([]byte, 1<<20)
	if _, err := rnd.Read(random); err != nil {
		t.Fatal(err)
	}
	ext4 := make([]byte, 1<<20)
	copy(ext4[1080:], []byte{0x53, 0xef})
	gpt := make([]byte, 1<<20)
	copy(gpt[512:], "EFI PART")
	for name, b := range map[string][]byte{
		"empty": {}, "zeros": make([]byte, 1<<20), "random": random, "ext4": ext4, "gpt": gpt, "text": bytes.Repeat([]byte("lorem ipsum "), 9999),
	} {
		s := &damages.Scene{Main: planter.NewImage(bytes.NewReader(b), int64(len(b)))}
		if r, err := survives(t, s); !errors.Is(err, superblock.ErrNotBcache) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// Random bytes behind a good superblock, and in each structure alone.
func TestRandomBytes(t *testing.T) {
	base := scenes.Open(t, "fifo-full")
	rnd := rand.NewChaCha8([32]byte{7})
	places := map[string][2]int64{
		"all metadata and more": {8192, base.Size() / 3},
		"journal":               {base.Geo.Start(base.Geo.FirstBucket).Bytes(), 12 * base.Geo.BucketSectors.Bytes()},
		"prio set":              {base.Geo.Start(base.Chain()[0]).Bytes(), base.Geo.BucketSectors.Bytes()},
		"uuids":                 {base.Geo.Start(base.UUIDBucket()).Bytes(), base.Geo.BucketSectors.Bytes()},
		"root":                  {base.Root().Sector().Bytes(), base.Geo.BucketSectors.Bytes()},
		"leaf":                  {base.Leaves()[0].Sector().Bytes(), base.Geo.BucketSectors.Bytes()},
		"superblock":            {4096 + 40, 4000},
	}
	for name, at := range places {
		s := scenes.Open(t, "fifo-full")
		b := make([]byte, at[1])
		if _, err := rnd.Read(b); err != nil {
			t.Fatal(err)
		}
		s.Put(at[0], b)
		if r, err := survives(t, s); err != nil || len(r.Findings) == 0 {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// extremes are what a hostile field may hold.
var extremes = []uint64{0, 1, 2, 7, 0x7f, 0xff, 0x7fff, 0xffff, 1<<20 - 1, 1 << 28, math.MaxInt32, math.MaxUint32, 1 << 43, math.MaxInt64, 1 << 63, math.MaxUint64}

// Every field of every structure, with every extreme, behind good checksums.
func TestHostileFields(t *testing.T) {
	type place struct {
		name string
		n    int64 // bytes from the structure's start
		set  func(s *damages.Scene, at int64, v uint64)
	}
	word := func(b []byte, at int64, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	for _, p := range []place{
		{"superblock", 224, func(s *damages.Scene, at int64, v uint64) {
			b := s.Super().Append(nil)
			word(b, at, v)
			sb, err := ondisk.DecodeSuper(b)
			if err != nil {
				t.Fatal(err)
			}
			sb.Csum = sb.Checksum()
			s.Put(ondisk.SuperOffset, sb.Append(nil))
		}},
		{"newest jset", 256, func(s *damages.Scene, at int64, v uint64) { s.RawEntry(s.Newest(), func(b []byte) { word(b, at, v) }) }},
		{"prio set", 56, func(s *damages.Scene, at int64, v uint64) {
			s.Edit(s.Geo.Start(s.Chain()[0]).Bytes(), int(s.Geo.MetaSectors.Bytes()), func(b []byte) {
				word(b, at, v)
				binary.LittleEndian.PutUint64(b, ondisk.Crc64(b[8:]))
			})
		}},
		{"uuid slot", 128, func(s *damages.Scene, at int64, v uint64) {
			s.Edit(s.Geo.Start(s.UUIDBucket()).Bytes(), 128, func(b []byte) { word(b, at, v) })
		}},
		{"root", 104, func(s *damages.Scene, at int64, v uint64) { s.RawSet(s.Root(), 1, func(b []byte) { word(b, at, v) }) }},
		{"leaf", 56, func(s *damages.Scene, at int64, v uint64) {
			s.RawSet(s.Leaves()[1], 0, func(b []byte) { word(b, at, v) })
		}},
	} {
		t.Run(p.name, func(t *testing.T) {
			for at := int64(8); at+8 <= p.n; at += 8 {
				for i, v := range extremes {
					if (i+int(at/8))%4 != 0 { // a quarter of them: others meet other fields
						continue
					}
					s := scenes.Open(t, "hostile")
					p.set(s, at, v)
					if _, err := survives(t, s); err != nil && !errors.Is(err, superblock.ErrNotBcache) {
						t.Errorf("byte %d: %v", at, err)
					}
				}
			}
		})
	}
}

// The counts and sizes of the superblock, all extremes of each: the memory that they ask for is never taken.
func TestHostileSizes(t *testing.T) {
	fields := map[string]func(sb *ondisk.Super, v uint64){
		"nbuckets":    func(sb *ondisk.Super, v uint64) { sb.Nbuckets = v },
		"block_size":  func(sb *ondisk.Super, v uint64) { sb.BlockSize = uint16(v) },
		"bucket_size": func(sb *ondisk.Super, v uint64) { sb.BucketSize = uint16(v) },
		"log size":    func(sb *ondisk.Super, v uint64) { sb.Version, sb.FeatureIncompat, sb.BucketSize = 5, 2, uint16(v) },
		"obso size": func(sb *ondisk.Super, v uint64) {
			sb.Version, sb.FeatureIncompat, sb.ObsoBucketSizeHi = 5, 1, uint16(v)
		},
		"first_bucket":  func(sb *ondisk.Super, v uint64) { sb.FirstBucket = uint16(v) },
		"keys":          func(sb *ondisk.Super, v uint64) { sb.Keys = uint16(v) },
		"nr_this_dev":   func(sb *ondisk.Super, v uint64) { sb.NrThisDev = uint16(v) },
		"all of a kind": func(sb *ondisk.Super, v uint64) { sb.Nbuckets, sb.BucketSize, sb.Keys = v, 1<<15, 256 },
	}
	for name, set := range fields {
		for _, v := range append(extremes, 1<<21, 1<<22, 1<<24, 8, 16, 20, 31) {
			s := scenes.Open(t, "hostile")
			s.EditSuper(func(sb *ondisk.Super) { set(sb, v) })
			if _, err := survives(t, s); err != nil {
				t.Errorf("%s %#x: %v", name, v, err)
			}
		}
	}
}

func TestLoops(t *testing.T) {
	loops := map[string]damages.Damage{
		"prio set to itself": {Base: "made-chain", Codes: []finding.Code{finding.PRLoop}, Plant: func(s *damages.Scene) {
			b := s.Chain()[0]
			s.EditPrio(0, func(p *ondisk.PrioSet) { p.NextBucket = uint64(b) })
		}},
		"root is its own child": {Base: "hostile", Codes: []finding.Code{finding.BTTwice, finding.BTTiling}, Plant: func(s *damages.Scene) {
			root := s.Root()
			s.EditSet(root, -1, func(b *ondisk.Bset) { b.Data[0].Ptr = root.Key.Ptr })
		}},
		"all children are one node": {Base: "hostile", Codes: []finding.Code{finding.BTTwice}, Plant: func(s *damages.Scene) {
			s.EditSet(s.Root(), -1, func(b *ondisk.Bset) {
				for i := range b.Data {
					b.Data[i].Ptr = b.Data[0].Ptr
				}
			})
		}},
	}
	for name, d := range loops {
		s := scenes.Open(t, d.Base)
		d.Plant(s)
		r, err := survives(t, s)
		if err != nil || r.Result != fsck.Damaged {
			t.Errorf("%s: %v, %v", name, r, err)
			continue
		}
		if got := fmt.Sprint(codes(r)); !bytes.Contains([]byte(got), []byte(d.Codes[0])) {
			t.Errorf("%s: found %s, want %s", name, got, d.Codes[0])
		}
	}
}

// A file as it comes from the disk, through the operating system: not a byte of it changes, not even its times' sum.
func TestFilesStayAsTheyAre(t *testing.T) {
	for _, name := range []string{"empty-registered", "writeback-crash"} {
		img := imgtest.Open(t, name)
		img.Flip(ondisk.SuperOffset+112, 4)
		before := img.Sum()
		var devs []fsck.Device
		for _, path := range img.Paths() {
			f, err := os.OpenFile(path, os.O_RDWR, 0) // a check could write, if it wanted to
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			devs = append(devs, fsck.Device{Name: path, R: f, Size: info.Size()})
		}
		r, err := fsck.Run(t.Context(), devs[0], devs[1:], fsck.Options{})
		if err != nil || r.Result != fsck.Damaged {
			t.Errorf("%s: %v, %v", name, r, err)
		}
		if img.Sum() != before {
			t.Errorf("%s: the check wrote to it", name)
		}
	}
}

// A ring as full as it can be, with seqs that fall: the worst for the list that the kernel sorts them into.
func TestFallingRing(t *testing.T) {
	const buckets, sectors = 100, 1024
	c := planter.Make(t, planter.Plan{Buckets: 600, Bucket: sectors, Block: 1, JournalCount: buckets})
	j := c.Newest().Jset
	for i := range ondisk.Sector(buckets * sectors) {
		j.Seq, j.LastSeq = 1<<20-uint64(i), 1
		c.PutEntry(c.Geo.Start(c.Geo.FirstBucket)+i, j)
	}
	r, err := survives(t, &damages.Scene{Cache: c, Main: c.Image})
	if err != nil || r.Summary.Journal.Entries < buckets*sectors/2 {
		t.Errorf("%v, %+v", err, r.Summary.Journal)
	}
}

// Buckets that thousands of volumes share: what is kept of them does not grow with the square of their count.
func TestManyOwners(t *testing.T) {
	const buckets, inodes = 5, 8192
	c := planter.Make(t, planter.Plan{Buckets: 1024, Bucket: 8192, Block: 1})
	free := c.Free(buckets)
	var keys []ondisk.Bkey
	for inode := range uint32(inodes) {
		for i, b := range free {
			keys = append(keys, c.Key(inode, ondisk.Sector(i+1), 1, c.Geo.Start(b)+ondisk.Sector(inode), 0))
		}
	}
	c.AddSet(c.Root(), keys...)
	r, err := survives(t, &damages.Scene{Cache: c, Main: c.Image})
	if err != nil || r.Summary.Btree.Extents != buckets*inodes {
		t.Errorf("%v, %+v", err, r)
	}
}

// A sparse file as large as the largest disks, whose superblock claims all the buckets that a table of a few bytes
// each could have: its size in buckets is the bound.
func TestSparse(t *testing.T) {
	for _, n := range []uint64{1 << 30, 1 << 33, 1 << 36, 1 << 40} {
		s := scenes.Open(t, "hostile")
		s.Resize(1 << 40)
		s.EditSuper(func(sb *ondisk.Super) { sb.Nbuckets = n })
		if r, err := survives(t, s); err != nil || !slices.Contains(codes(r), finding.SBNoGeometry) {
			t.Errorf("%d buckets: %v, %v", n, r, err)
		}
	}
}
