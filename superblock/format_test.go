// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/hint"
)

var (
	testUUID = ondisk.UUID{1, 2, 3}
	testSet  = ondisk.UUID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
)

// What make-bcache wrote is what Format writes, byte for byte.
func TestFormatAsMakeBcache(t *testing.T) {
	text, err := os.ReadFile("testdata/make-bcache.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		parts := strings.Split(strings.TrimSpace(line), "; ")
		if len(parts) != 3 || line[0] == '#' {
			continue
		}
		lines++
		t.Run(parts[1], func(t *testing.T) {
			want := make([]byte, ondisk.SuperSize)
			if _, err := hex.Decode(want, []byte(parts[2])); err != nil {
				t.Fatal(err)
			}
			o, size, backing := makeBcacheOptions(t, parts[0], parts[1])
			copy(o.UUID[:], want[40:])
			format := FormatCache
			if backing {
				format = FormatBacking
			}
			s, err := format(o, Device{Size: size, LogicalBlock: 512})
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Append(nil); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got[:256], want[:256])
			}
		})
	}
	if lines < 10 {
		t.Errorf("%d lines", lines)
	}
}

// makeBcacheOptions reads the few spellings that the golden file uses.
func makeBcacheOptions(t *testing.T, sizeText, flags string) (o FormatOptions, size int64, backing bool) {
	t.Helper()
	if _, err := fmt.Sscan(sizeText, &size); err != nil {
		t.Fatal(err)
	}
	o = FormatOptions{SetUUID: testSet, BlockSectors: 8, BucketSectors: 1024, DataOffset: 16}
	words := strings.Fields(flags)
	for i := 0; i < len(words); i++ {
		switch w := words[i]; w {
		case "-B", "-C":
			backing = w == "-B"
		case "--writeback":
			o.Writeback = true
		case "--discard":
			o.Discard = true
		case "--cache_replacement_policy=fifo":
			o.Replacement = ondisk.FIFO
		case "--cache_replacement_policy=random":
			o.Replacement = ondisk.Random
		case "-b", "-w", "-o":
			i++
			var n uint64
			var unit string
			_, _ = fmt.Sscanf(words[i], "%d%s", &n, &unit)
			bytes := ondisk.Sector(n << map[string]uint{"": 0, "k": 10, "M": 20}[unit])
			switch w {
			case "-b":
				o.BucketSectors = bytes / 512
			case "-w":
				o.BlockSectors = bytes / 512
			case "-o":
				o.DataOffset = ondisk.Sector(n)
			}
		default:
			t.Fatalf("flag %q", w)
		}
	}
	return o, size, backing
}

func cacheOptions() FormatOptions {
	return FormatOptions{UUID: testUUID, SetUUID: testSet, BlockSectors: 8, BucketSectors: 1024, DataOffset: 16}
}

func TestFormatRefuses(t *testing.T) {
	const gib = int64(1) << 30
	dev := Device{Size: gib, LogicalBlock: 512}
	for _, c := range []struct {
		name    string
		backing bool
		edit    func(*FormatOptions, *Device)
		want    error
	}{
		{"512 buckets", false, func(_ *FormatOptions, d *Device) { d.Size = 512*512*1024 + 511*1024 }, ErrCacheSmall},
		{"nothing", false, func(_ *FormatOptions, d *Device) { d.Size = 0 }, ErrCacheSmall},
		{"bucket larger than the device", false, func(o *FormatOptions, _ *Device) { o.BucketSectors = 1 << 22 }, ErrCacheSmall},
		{"bucket of 4 GiB", false, func(o *FormatOptions, d *Device) { o.BucketSectors, d.Size = 1<<23, gib<<20 }, ErrBucketBytes},
		{"bucket of no power of two", false, func(o *FormatOptions, _ *Device) { o.BucketSectors = 1000 }, ErrBucketSize},
		{"no bucket", false, func(o *FormatOptions, _ *Device) { o.BucketSectors = 0 }, ErrBucketSize},
		{"bucket below a page", false, func(o *FormatOptions, _ *Device) { o.BucketSectors, o.BlockSectors = 4, 1 }, ErrBucketPage},
		{"bucket of one block", false, func(o *FormatOptions, _ *Device) { o.BucketSectors = 8 }, ErrBucketBlocks},
		{"no block", false, func(o *FormatOptions, d *Device) { o.BlockSectors, d.LogicalBlock = 0, 0 }, ErrBlockSize},
		{"block of no power of two", false, func(o *FormatOptions, _ *Device) { o.BlockSectors = 3 }, ErrBlockSize},
		{"block above a page", false, func(o *FormatOptions, _ *Device) { o.BlockSectors = 16 }, ErrBlockPage},
		{"huge block", false, func(o *FormatOptions, _ *Device) { o.BlockSectors = 65536 + 8 }, ErrBlockPage},
		{"block below the device's", false, func(o *FormatOptions, d *Device) { o.BlockSectors, d.LogicalBlock = 1, 4096 }, ErrBlockLogical},
		{"too many buckets", false, func(o *FormatOptions, d *Device) { d.Size = 1 << 62 }, ErrTooManyBuckets},
		{"policy", false, func(o *FormatOptions, _ *Device) { o.Replacement = 3 }, ErrReplacement},
		{"no uuid", false, func(o *FormatOptions, _ *Device) { o.UUID = ondisk.UUID{} }, ErrUUID},
		{"the invalid uuid", true, func(o *FormatOptions, _ *Device) { o.UUID = ondisk.InvalidUUID }, ErrUUID},
		{"no set", false, func(o *FormatOptions, _ *Device) { o.SetUUID = ondisk.UUID{} }, ErrSetUUID},
		{"long label", true, func(o *FormatOptions, _ *Device) { o.Label = strings.Repeat("x", 33) }, ErrNewLabel},
		{"label with a zero", true, func(o *FormatOptions, _ *Device) { o.Label = "a\x00b" }, ErrNewLabel},
		{"label that ends in a zero", true, func(o *FormatOptions, _ *Device) { o.Label = "a\x00" }, ErrNewLabel},
		{"label with a tab", true, func(o *FormatOptions, _ *Device) { o.Label = "a\tb" }, ErrNewLabel},
		{"backing block above a page", true, func(o *FormatOptions, _ *Device) { o.BlockSectors = 16 }, ErrBlockPage},
		{"backing block below the device's", true, func(o *FormatOptions, d *Device) { o.BlockSectors, d.LogicalBlock = 4, 4096 }, ErrBlockLogical},
		{"data offset below 16", true, func(o *FormatOptions, _ *Device) { o.DataOffset = 15 }, ErrDataOffset},
		{"data offset at the end", true, func(o *FormatOptions, _ *Device) { o.DataOffset = ondisk.Sector(gib / 512) }, ErrDataPastEnd},
		{"data offset beyond anything", true, func(o *FormatOptions, _ *Device) { o.DataOffset = 1 << 63 }, ErrDataPastEnd},
		{"backing of nothing", true, func(_ *FormatOptions, d *Device) { d.Size = 0 }, ErrDataPastEnd},
		{"backing too small", true, func(_ *FormatOptions, d *Device) { d.Size = 8192 }, ErrDataPastEnd},
	} {
		o, d := cacheOptions(), dev
		c.edit(&o, &d)
		format := FormatCache
		if c.backing {
			format = FormatBacking
		}
		if s, err := format(o, d); s != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestFormatNamesTheWayOut(t *testing.T) {
	o := cacheOptions()
	_, err := FormatCache(o, Device{Size: 100 << 20})
	if err == nil || err.Error()+"; "+hint.Of(err) != "cache device is too small: 200 buckets, at least 513; buckets of 128 KiB would do" {
		t.Error(err)
	}
	if _, err := FormatCache(o, Device{Size: 1 << 20}); err == nil || strings.Contains(err.Error(), ";") {
		t.Error(err)
	}
}

// The largest and the smallest that still pass.
func TestFormatLimits(t *testing.T) {
	for _, c := range []struct {
		bucket, block ondisk.Sector
		size          int64
		version       uint64
		stored, first uint16
	}{
		{8, 4, 513 * 4096, 0, 8, 3},
		{16, 8, 513 * 8192, 0, 16, 2},
		{32, 8, 513 * 16384, 0, 32, 1},
		{1024, 8, 513 * 512 << 10, 0, 1024, 1},
		{32768, 8, 513 * 16 << 20, 0, 32768, 1},
		{65536, 8, 513*32<<20 + 5000, 5, 16, 1},
		{MaxFormatBucket, 1, 513 * 2 << 30, 5, 22, 1},
		{16384, 8, 513 * 8 << 20, 5, 14, 1}, // asked for
	} {
		o := cacheOptions()
		o.BucketSectors, o.BlockSectors, o.LargeBucket = c.bucket, c.block, c.version == 5
		s, err := FormatCache(o, Device{Size: c.size, LogicalBlock: 512})
		if err != nil {
			t.Errorf("bucket of %d: %v", c.bucket, err)
			continue
		}
		if s.Version != c.version || s.BucketSize != c.stored || s.FirstBucket != c.first || s.Nbuckets != 513 ||
			BucketSectors(s) != c.bucket || s.Csum != s.Checksum() {
			t.Errorf("bucket of %d: %+v", c.bucket, s)
		}
		o.DataOffset = 16
		b, err := FormatBacking(o, Device{Size: c.size, LogicalBlock: 512})
		if err != nil || b.Version != 1 || b.FeatureIncompat != 0 {
			t.Errorf("backing with bucket of %d: %v", c.bucket, err)
		}
	}
}

// An entry of the same set at any block of any journal bucket is found; one of another set is not.
func TestOldJournal(t *testing.T) {
	o := cacheOptions()
	o.BucketSectors = 64
	const size = 600 * 32 << 10
	s, err := FormatCache(o, Device{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	off, n := JournalArea(s)
	if off != 32<<10 || n != 4*32<<10 {
		t.Fatalf("journal at %d, %d bytes", off, n)
	}
	for _, c := range []struct {
		at   int64
		set  ondisk.UUID
		want bool
	}{
		{off, testSet, true},
		{off + 3*32<<10, testSet, true},
		{off + 4096, testSet, true},
		{off + n - 4096, testSet, true},
		{off, ondisk.UUID{9}, false},
		{off + 512, testSet, false},
		{off + n, testSet, false},
	} {
		img := make([]byte, size)
		copy(img[c.at:], (&ondisk.Jset{Magic: 0x245235c1a3625032 ^ binary.LittleEndian.Uint64(c.set[:])}).Append(nil))
		if got, err := OldJournal(bytes.NewReader(img), s); got != c.want || err != nil {
			t.Errorf("entry of %v at %d: %v, %v", c.set, c.at, got, err)
		}
	}
	if _, err := OldJournal(bytes.NewReader(make([]byte, off+n-1)), s); err == nil {
		t.Error("no error past the end")
	}
}

func TestFormatLabel(t *testing.T) {
	for _, label := range []string{"", "home", "größe", strings.Repeat("x", 32)} {
		o := cacheOptions()
		o.Label = label
		for _, format := range []func(FormatOptions, Device) (*ondisk.Super, error){FormatCache, FormatBacking} {
			s, err := format(o, Device{Size: 1 << 30})
			if err != nil || Label(s.Label) != label {
				t.Errorf("%q: %v", label, err)
			}
		}
	}
}

// Whatever is asked for, what comes out has no fault that Check knows of, or nothing comes out.
func FuzzFormat(f *testing.F) {
	f.Add(uint64(8), uint64(1024), uint64(16), int64(1)<<30, 512, "label")
	f.Add(uint64(1), uint64(65536), uint64(17), int64(513)*32<<20, 4096, "")
	f.Fuzz(func(t *testing.T, block, bucket, data uint64, size int64, logical int, label string) {
		o := FormatOptions{
			UUID: testUUID, SetUUID: testSet, Label: label, BlockSectors: ondisk.Sector(block),
			BucketSectors: ondisk.Sector(bucket), DataOffset: ondisk.Sector(data),
		}
		d := Device{Size: max(size, 0), LogicalBlock: logical}
		for _, format := range []func(FormatOptions, Device) (*ondisk.Super, error){FormatCache, FormatBacking} {
			s, err := format(o, d)
			if (s == nil) != (err != nil) {
				t.Fatalf("%v, %v", s, err)
			}
			if s == nil {
				continue
			}
			if err := formatFault(s, d); err != nil {
				t.Fatal(err)
			}
			if !s.IsBacking() && s.Nbuckets*uint64(BucketSectors(s)) > uint64(d.Size)/512 {
				t.Fatalf("%d buckets of %d on %d bytes", s.Nbuckets, BucketSectors(s), d.Size)
			}
		}
	})
}
