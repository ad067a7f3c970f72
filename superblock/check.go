// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"bctl/internal/bcache/ondisk"
)

// What the kernel refuses a superblock for, in its words and its order (read_super, read_super_common, cache_alloc).
var (
	ErrOffset         = errors.New("not a bcache superblock (bad offset)")
	ErrMagic          = errors.New("not a bcache superblock (bad magic)")
	ErrChecksum       = errors.New("bad checksum")
	ErrUUID           = errors.New("bad UUID")
	ErrBlockLogical   = errors.New("superblock block size smaller than device block size")
	ErrVersion        = errors.New("unsupported superblock version")
	ErrCompat         = errors.New("unsupported compatible feature found")
	ErrROCompat       = errors.New("unsupported read-only compatible feature found")
	ErrIncompat       = errors.New("unsupported incompatible feature found")
	ErrDataOffset     = errors.New("bad data offset")
	ErrJournalCount   = errors.New("too many journal buckets")
	ErrTooManyBuckets = errors.New("too many buckets")
	ErrFewBuckets     = errors.New("not enough buckets")
	ErrBlockSize      = errors.New("bad block size (not power of 2)")
	ErrBlockPage      = errors.New("bad block size (larger than page size)")
	ErrBucketSize     = errors.New("bad bucket size (not power of 2)")
	ErrBucketPage     = errors.New("bad bucket size (smaller than page size)")
	ErrDeviceSmall    = errors.New("invalid superblock: device too small")
	ErrSetUUID        = errors.New("bad UUID of the set")
	ErrNrInSet        = errors.New("bad cache device number in set")
	ErrJournalOrder   = errors.New("journal buckets not sequential")
	ErrJournalEnd     = errors.New("journal buckets past the last bucket")
	ErrFirstBucket    = errors.New("first bucket comes before end of super")
	ErrBucketLog      = errors.New("bucket size overflows")
	ErrCacheSmall     = errors.New("cache device is too small")
)

// What the kernel lets pass and then trips over.
var (
	ErrReplacement   = errors.New("unknown replacement policy")
	ErrBucketBlocks  = errors.New("bucket of fewer than two blocks")
	ErrManyCaches    = errors.New("set of several caches")
	ErrCacheMode     = errors.New("unknown cache mode")
	ErrDataPastEnd   = errors.New("data offset past the end of the device")
	ErrAttachedNoSet = errors.New("state says attached, but there is no set uuid")
)

// What a healthy device does not have, though nothing breaks.
var (
	ErrObsolete   = errors.New("obsolete large bucket layout")
	ErrJournalOdd = errors.New("unusual count of journal buckets")
	ErrFirstOdd   = errors.New("unusual first bucket")
	ErrGrown      = errors.New("unused space behind the last bucket")
	ErrLeftovers  = errors.New("unused fields are not zero")
	ErrOldUUIDs   = errors.New("registered, but still version 0")
	ErrLargePages = errors.New("not usable on machines with 64 KiB pages")
	ErrDiscardSet = errors.New("discard is enabled")
	ErrLabel      = errors.New("label is not printable text")
	ErrMountTime  = errors.New("last mount time is in the future")
	ErrSeqZero    = errors.New("written by the kernel, but its sequence number is 0")
)

// Device is what a superblock is held against: 0 where it is not known.
type Device struct {
	Size         int64 // bytes
	LogicalBlock int   // bytes
	Now          int64 // seconds since 1970
}

// Check judges s, all of it: every returned error wraps exactly one of the errors above.
func Check(s *ondisk.Super, d Device) (faults []error) {
	c := checker{s: s, d: d}
	c.common()
	switch {
	case s.IsBacking():
		c.backing()
	case s.Version == ondisk.VersionCache, s.Version == ondisk.VersionCacheUUID, s.Version == ondisk.VersionCacheFeat:
		c.features()
		c.cache()
		c.journalBuckets()
		c.oddities()
	default:
		c.fault(ErrVersion, "%d", s.Version)
	}
	return c.faults
}

type checker struct {
	s      *ondisk.Super
	d      Device
	faults []error
}

func (c *checker) fault(err error, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("%w: "+format, append([]any{err}, args...)...))
}

func (c *checker) check(ok bool, err error, format string, args ...any) {
	if !ok {
		c.fault(err, format, args...)
	}
}

func (c *checker) common() {
	s := c.s
	c.check(s.Offset == uint64(ondisk.SuperSector), ErrOffset, "%d, want %d", s.Offset, ondisk.SuperSector)
	c.check(s.Magic == ondisk.SuperMagic, ErrMagic, "%x", s.Magic)
	right := *s // a magic that was wiped leaves the checksum of the right one: Read lets no other pass
	right.Magic = ondisk.SuperMagic
	sum := right.Checksum()
	c.check(s.Csum == sum, ErrChecksum, "%#016x, want %#016x", s.Csum, sum)
	c.check(!s.UUID.IsZero(), ErrUUID, "it is zero")
	block := int(s.BlockSize) * ondisk.SectorBytes
	c.check(block >= c.d.LogicalBlock, ErrBlockLogical, "%d bytes, the device has %d", block, c.d.LogicalBlock)
	c.check(PrintableLabel(s.Label), ErrLabel, "%q", s.Label[:])
	c.check(c.d.Now == 0 || int64(s.LastMount) <= c.d.Now+86400, ErrMountTime, "%d", s.LastMount)
}

func (c *checker) backing() {
	s := c.s
	off := DataOffset(s)
	c.check(off >= ondisk.DataStartDefault, ErrDataOffset, "sector %d, the first possible is %d", off, ondisk.DataStartDefault)
	c.check(off < 1<<54 && (c.d.Size == 0 || off.Bytes() < c.d.Size), ErrDataPastEnd, "sector %d of a device of %d bytes", off, c.d.Size)
	c.check(s.CacheMode() <= ondisk.None, ErrCacheMode, "%d", uint8(s.CacheMode()))
	attached := s.State() == ondisk.StateClean || s.State() == ondisk.StateDirty
	c.check(!attached || !s.SetUUID.IsZero(), ErrAttachedNoSet, "state %s", s.State())
	c.check(bits.OnesCount16(s.BlockSize) == 1, ErrBlockSize, "%d sectors", s.BlockSize)
	c.check(c.unusedZero() && zero(s.D[:]), ErrLeftovers, "pads, features or d[]")
}

func (c *checker) features() {
	s := c.s
	if s.Version < ondisk.VersionCacheFeat {
		return
	}
	c.check(s.FeatureCompat == 0, ErrCompat, "%#x", s.FeatureCompat)
	c.check(s.FeatureROCompat == 0, ErrROCompat, "%#x", s.FeatureROCompat)
	const known = ondisk.FeatureObsoLargeBucket | ondisk.FeatureLogBucketSize
	c.check(s.FeatureIncompat&^known == 0, ErrIncompat, "%#x", s.FeatureIncompat&^known)
	c.check(s.FeatureIncompat&ondisk.FeatureObsoLargeBucket == 0, ErrObsolete, "the kernel makes its devices read-only")
	if s.FeatureIncompat&ondisk.FeatureLogBucketSize != 0 {
		c.check(s.BucketSize <= 31, ErrBucketLog, "1 << %d", s.BucketSize)
	}
}

func (c *checker) cache() {
	s, bucket := c.s, BucketSectors(c.s)
	c.check(s.Nbuckets <= math.MaxInt64, ErrTooManyBuckets, "%d", s.Nbuckets)
	c.check(s.Nbuckets >= 128, ErrFewBuckets, "%d, at least 128", s.Nbuckets)
	c.check(s.Nbuckets >= MinBuckets, ErrCacheSmall, "%d buckets, at least %d", s.Nbuckets, MinBuckets)
	c.check(bits.OnesCount16(s.BlockSize) == 1, ErrBlockSize, "%d sectors", s.BlockSize)
	c.check(s.BlockSize <= ondisk.PageSectors, ErrBlockPage, "%d sectors", s.BlockSize)
	c.check(bits.OnesCount64(uint64(bucket)) == 1, ErrBucketSize, "%d sectors", bucket)
	c.check(bucket >= ondisk.PageSectors, ErrBucketPage, "%d sectors", bucket)
	c.check(bucket == 0 || bucket >= 2*ondisk.Sector(s.BlockSize), ErrBucketBlocks, "block of %d sectors, bucket of %d", s.BlockSize, bucket)
	hi, size := bits.Mul64(s.Nbuckets, uint64(bucket))
	have := uint64(c.d.Size) / ondisk.SectorBytes
	if c.d.Size != 0 {
		c.check(hi == 0 && size <= have, ErrDeviceSmall, "%d buckets of %d sectors, the device has %d sectors", s.Nbuckets, bucket, have)
		c.check(hi != 0 || size+uint64(bucket) > have, ErrGrown, "%d sectors", have-size)
	}
	c.check(!s.SetUUID.IsZero(), ErrSetUUID, "it is zero")
	c.check(s.NrInSet > 0 && s.NrThisDev < s.NrInSet && s.NrInSet <= ondisk.MaxCachesPerSet, ErrNrInSet, "%d of %d", s.NrThisDev, s.NrInSet)
	c.check(s.NrInSet == 1 && s.NrThisDev == 0 || s.NrInSet == 0, ErrManyCaches, "%d of %d", s.NrThisDev, s.NrInSet)
	c.check(s.Replacement() <= ondisk.Random, ErrReplacement, "%d", uint8(s.Replacement()))
	// In 32 bits, as the kernel multiplies.
	c.check(uint32(s.FirstBucket)*uint32(bucket) >= 16, ErrFirstBucket, "bucket %d of %d sectors", s.FirstBucket, bucket)
	c.check(uint64(s.FirstBucket)*uint64(bucket) >= 24 || uint64(s.FirstBucket)*uint64(bucket) < 16, ErrFirstOdd,
		"bucket %d of %d sectors; make-bcache leaves 24 sectors", s.FirstBucket, bucket)
}

func (c *checker) journalBuckets() {
	s := c.s
	if s.Keys > ondisk.JournalBuckets {
		c.fault(ErrJournalCount, "%d, at most %d", s.Keys, ondisk.JournalBuckets)
		return
	}
	for i, d := range s.D[:s.Keys] {
		if want := uint64(s.FirstBucket) + uint64(i); d != want {
			c.fault(ErrJournalOrder, "number %d is bucket %d, want %d", i, d, want)
			break
		}
	}
	c.check(uint64(s.FirstBucket)+uint64(s.Keys) <= s.Nbuckets, ErrJournalEnd, "%d from bucket %d on, of %d buckets", s.Keys, s.FirstBucket, s.Nbuckets)
	if s.Sync() {
		c.check(int(s.Keys) == JournalCount(s.Nbuckets), ErrJournalOdd, "%d; the kernel makes %d", s.Keys, JournalCount(s.Nbuckets))
	}
}

func (c *checker) oddities() {
	s := c.s
	c.check(c.unusedZero() && zero(s.D[min(s.Keys, ondisk.JournalBuckets):]), ErrLeftovers, "pads, features or d[] behind the journal")
	c.check(!(s.Sync() && s.Version == ondisk.VersionCache), ErrOldUUIDs, "its uuid slots are of the old form")
	c.check(!(s.Sync() && s.Seq == 0), ErrSeqZero, "SYNC is set")
	const page64 = 64 << 10 / ondisk.SectorBytes
	if b := BucketSectors(s); b != 0 {
		c.check(b >= page64, ErrLargePages, "buckets of %d sectors", b)
	}
	c.check(!s.Discard(), ErrDiscardSet, "journal buckets may have been discarded; kernels from 6.19 on no longer allow for that")
}

// unusedZero reports whether what s's version does not use is zero, d[] apart.
func (c *checker) unusedZero() bool {
	s := c.s
	features := s.Version >= ondisk.VersionCacheFeat
	obso := features && s.FeatureIncompat&ondisk.FeatureObsoLargeBucket != 0
	return s.Pad == [5]uint64{} && (obso || s.ObsoBucketSizeHi == 0) &&
		(features || s.FeatureCompat|s.FeatureIncompat|s.FeatureROCompat == 0)
}

func zero(d []uint64) bool {
	for _, w := range d {
		if w != 0 {
			return false
		}
	}
	return true
}

// PrintableLabel reports whether a label is text. The kernel leaves the newline of whoever set it through sysfs, and
// in a uuid slot whatever its buffer held behind that; nothing follows an empty label.
func PrintableLabel(label [32]byte) bool {
	for _, b := range []byte(Label(label)) {
		if b < 0x20 || b == 0x7f {
			return false
		}
	}
	return label[0] != 0 || label == [32]byte{}
}

// Label is the text of a label, up to its first zero byte or newline.
func Label(label [32]byte) string {
	text, _, _ := strings.Cut(string(label[:]), "\x00")
	text, _, _ = strings.Cut(text, "\n")
	return text
}
