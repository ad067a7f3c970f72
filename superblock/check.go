// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// A Rule is what a superblock must not break: the kernel's words for it, and the findings that its breach is on a cache
// and on a backing device; empty where the kind of device cannot break it.
type Rule struct {
	text           string
	Cache, Backing finding.Code
}

func (r *Rule) Error() string { return r.text }

// A Fault is a rule that a superblock breaks. It wraps the rule.
type Fault struct {
	*Rule
	Code   finding.Code
	Detail string
}

func (f Fault) Error() string { return f.text + ": " + f.Detail }
func (f Fault) Unwrap() error { return f.Rule }

// What the kernel refuses a superblock for, in its words and its order (read_super, read_super_common, cache_alloc).
var (
	ErrOffset         = &Rule{"not a bcache superblock (bad offset)", finding.SBOffset, finding.BDSuper}
	ErrMagic          = &Rule{"not a bcache superblock (bad magic)", finding.SBMagic, finding.BDSuper}
	ErrChecksum       = &Rule{"bad checksum", finding.SBChecksum, finding.BDSuper}
	ErrUUID           = &Rule{"bad UUID", finding.SBUUID, finding.BDSuper}
	ErrBlockLogical   = &Rule{"superblock block size smaller than device block size", finding.SBBlockLogical, finding.BDSuper}
	ErrVersion        = &Rule{"unsupported superblock version", finding.SBVersion, ""}
	ErrCompat         = &Rule{"unsupported compatible feature found", finding.SBFeatures, ""}
	ErrROCompat       = &Rule{"unsupported read-only compatible feature found", finding.SBFeatures, ""}
	ErrIncompat       = &Rule{"unsupported incompatible feature found", finding.SBFeatures, ""}
	ErrDataOffset     = &Rule{"bad data offset", "", finding.BDStripes}
	ErrJournalCount   = &Rule{"too many journal buckets", finding.SBJournalBuckets, ""}
	ErrTooManyBuckets = &Rule{"too many buckets", finding.SBNBuckets, ""}
	ErrFewBuckets     = &Rule{"not enough buckets", finding.SBNBuckets, ""}
	ErrBlockSize      = &Rule{"bad block size (not power of 2)", finding.SBBlock, finding.BDSuper}
	ErrBlockPage      = &Rule{"bad block size (larger than page size)", finding.SBBlock, ""}
	ErrBucketSize     = &Rule{"bad bucket size (not power of 2)", finding.SBBucket, ""}
	ErrBucketPage     = &Rule{"bad bucket size (smaller than page size)", finding.SBBucket, ""}
	ErrDeviceSmall    = &Rule{"invalid superblock: device too small", finding.SBDeviceSmall, ""}
	ErrSetUUID        = &Rule{"bad UUID of the set", finding.SBSetUUID, ""}
	ErrNrInSet        = &Rule{"bad cache device number in set", finding.SBNrInSet, ""}
	ErrJournalOrder   = &Rule{"journal buckets not sequential", finding.SBJournalBuckets, ""}
	ErrJournalEnd     = &Rule{"journal buckets past the last bucket", finding.SBJournalEnd, ""}
	ErrFirstBucket    = &Rule{"first bucket comes before end of super", finding.SBFirstBucket, ""}
	ErrBucketLog      = &Rule{"bucket size overflows", finding.SBBucket, ""}
	ErrCacheSmall     = &Rule{"cache device is too small", finding.SBNBuckets, ""}
)

// What the kernel lets pass and then trips over.
var (
	ErrReplacement   = &Rule{"unknown replacement policy", finding.SBReplacement, ""}
	ErrBucketBlocks  = &Rule{"bucket of fewer than two blocks", finding.SBBucketBlocks, ""}
	ErrManyCaches    = &Rule{"set of several caches", finding.SBManyCaches, ""}
	ErrCacheMode     = &Rule{"unknown cache mode", "", finding.BDState}
	ErrDataPastEnd   = &Rule{"data offset past the end of the device", "", finding.BDStripes}
	ErrAttachedNoSet = &Rule{"state says attached, but there is no set uuid", "", finding.BDState}
)

// What a healthy device does not have, though nothing breaks.
var (
	ErrObsolete   = &Rule{"obsolete large bucket layout", finding.SBObsolete, ""}
	ErrJournalOdd = &Rule{"unusual count of journal buckets", finding.SBJournalOdd, ""}
	ErrFirstOdd   = &Rule{"unusual first bucket", finding.SBFirstOdd, ""}
	ErrGrown      = &Rule{"unused space behind the last bucket", finding.SBGrown, ""}
	ErrLeftovers  = &Rule{"unused fields are not zero", finding.SBLeftovers, finding.BDFields}
	ErrOldUUIDs   = &Rule{"registered, but still version 0", finding.SBOldUUIDs, ""}
	ErrLargePages = &Rule{"not usable on machines with 64 KiB pages", finding.SBPages, ""}
	ErrDiscardSet = &Rule{"discard is enabled", finding.SBDiscard, ""}
	ErrLabel      = &Rule{"label is not printable text", finding.SBLabel, finding.BDFields}
	ErrMountTime  = &Rule{"last mount time is in the future", finding.SBLabel, finding.BDFields}
	ErrSeqZero    = &Rule{"written by the kernel, but its sequence number is 0", finding.SBLabel, ""}
)

// Device is what a superblock is held against: 0 where it is not known.
type Device struct {
	Size         int64 // bytes
	LogicalBlock int   // bytes
	Now          int64 // seconds since 1970
}

// Check judges s, all of it: every fault breaks exactly one of the rules above.
func Check(s *ondisk.Super, d Device) (faults []Fault) {
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
	case s.Version == ondisk.VersionBacking, s.Version == ondisk.VersionBackingOffset, s.Version == ondisk.VersionBackingFeat:
		c.fault(ErrVersion, "%d, a backing device's, and %d journal buckets, which only a cache has", s.Version, s.Keys)
	default:
		c.fault(ErrVersion, "%d", s.Version)
	}
	return c.faults
}

type checker struct {
	s      *ondisk.Super
	d      Device
	faults []Fault
}

func (c *checker) fault(r *Rule, format string, args ...any) {
	f := Fault{Rule: r, Code: r.Cache, Detail: fmt.Sprintf(format, args...)}
	if c.s.IsBacking() {
		f.Code = r.Backing
	}
	c.faults = append(c.faults, f)
}

func (c *checker) check(ok bool, r *Rule, format string, args ...any) {
	if !ok {
		c.fault(r, format, args...)
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
// in a uuid slot whatever its buffer held behind that; a tab passes as it came. Clearing a label by a newline alone
// makes its first two bytes zero and leaves the rest of the old one; nothing else stands behind an empty label.
func PrintableLabel(label [32]byte) bool {
	for _, b := range []byte(Label(label)) {
		if b < 0x20 && b != '\t' || b == 0x7f {
			return false
		}
	}
	return label[0] != 0 || label[1] == 0
}

// Label is the text of a label, up to its first zero byte or newline.
func Label(label [32]byte) string {
	text, _, _ := strings.Cut(string(label[:]), "\x00")
	text, _, _ = strings.Cut(text, "\n")
	return text
}
