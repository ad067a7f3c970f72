// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/hint"
)

var (
	ErrNewLabel    = errors.New("bad label")
	ErrBucketBytes = errors.New("bucket too large")
)

// What format does not refuse: none of it keeps the kernel from using the device.
var formatTolerates = []error{ErrGrown, ErrLargePages, ErrDiscardSet}

// FormatOptions is what make-bcache lets one choose. There are no defaults here: every field is taken as it is.
type FormatOptions struct {
	UUID, SetUUID ondisk.UUID
	Label         string
	BlockSectors  ondisk.Sector
	BucketSectors ondisk.Sector

	Replacement ondisk.Replacement // of a cache device
	Discard     bool
	LargeBucket bool // version 5, even where the count of version 0 holds the bucket's sectors

	DataOffset ondisk.Sector // of a backing device
	Writeback  bool
}

// MaxFormatBucket is the largest bucket: the kernel counts its bytes in 32 bits.
const MaxFormatBucket = ondisk.Sector(2 << 30 / ondisk.SectorBytes)

// maxPtrOffset is how far PTR_OFFSET reaches: 4 PiB.
const maxPtrOffset = ondisk.Sector(1) << 43

// FormatCache is the superblock of a new cache device, as make-bcache writes it: version 0 and SYNC clear, so that
// the kernel makes journal, prios, uuids and root at the first registration. Buckets above 16 MiB do not fit the
// count of version 0: they take version 5 and their logarithm, which kernels from 5.11 on read. Errors wrap those of
// Check, or are about o.
func FormatCache(o FormatOptions, d Device) (*ondisk.Super, error) {
	s, err := formatCommon(o)
	if err != nil {
		return nil, err
	}
	bucket := o.BucketSectors
	switch {
	case bucket > MaxFormatBucket:
		return nil, fmt.Errorf("%w: %d sectors, at most %d", ErrBucketBytes, bucket, MaxFormatBucket)
	case bits.OnesCount64(uint64(bucket)) != 1:
		return nil, fmt.Errorf("%w: %d sectors", ErrBucketSize, bucket)
	case bucket < 2*o.BlockSectors: // 6.1 panics on it, however many there are
		return nil, fmt.Errorf("%w: block of %d sectors, bucket of %d", ErrBucketBlocks, o.BlockSectors, bucket)
	}
	s.Version = ondisk.VersionCache
	if o.LargeBucket || bucket > 0xffff {
		s.Version, s.FeatureIncompat = ondisk.VersionCacheFeat, ondisk.FeatureLogBucketSize
		s.BucketSize = uint16(bits.TrailingZeros64(uint64(bucket)))
	}
	s.Nbuckets = uint64(d.Size) / ondisk.SectorBytes / uint64(bucket)
	s.NrInSet = 1
	// The superblock and 4 KiB behind it, rounded up to buckets: make-bcache's rule, the kernel wants less.
	s.FirstBucket = uint16(FirstBucket(bucket))
	s.SetDiscard(o.Discard)
	s.SetReplacement(o.Replacement)
	s.Csum = s.Checksum()
	if s.Nbuckets < MinBuckets { // before Check, which says 128 first
		return nil, hint.Add(fmt.Errorf("%w: %d buckets, at least %d", ErrCacheSmall, s.Nbuckets, MinBuckets), "%s", smallerBucket(o, d))
	}
	if s.Nbuckets > uint64(maxPtrOffset/bucket) {
		return nil, fmt.Errorf("%w: %d of %d sectors, a pointer reaches %d sectors", ErrTooManyBuckets, s.Nbuckets, bucket, maxPtrOffset)
	}
	if err := formatFault(s, d); err != nil {
		return nil, err
	}
	return s, nil
}

// FormatBacking is the superblock of a new backing device: version 1, or 4 where the data does not start at
// sector 16; state none. The kernel does not read its bucket size: one that does not fit is left out, because the
// form that holds it, version 6, is refused by older kernels.
func FormatBacking(o FormatOptions, d Device) (*ondisk.Super, error) {
	s, err := formatCommon(o)
	if err != nil {
		return nil, err
	}
	if data := o.DataOffset; data < 1<<54 && data.Bytes() >= d.Size { // Check takes a size of 0 for unknown
		return nil, fmt.Errorf("%w: sector %d of a device of %d bytes", ErrDataPastEnd, data, d.Size)
	}
	s.Version = ondisk.VersionBacking
	if o.DataOffset != ondisk.DataStartDefault {
		s.Version, s.Nbuckets = ondisk.VersionBackingOffset, uint64(o.DataOffset)
	}
	if o.Writeback {
		s.SetCacheMode(ondisk.Writeback)
	}
	s.Csum = s.Checksum()
	if err := formatFault(s, d); err != nil {
		return nil, err
	}
	return s, nil
}

// formatCommon is what both kinds have. The kernel wants a cache's block to fit a page; for a backing device it
// falls back to the device's own, and a set's other devices then do not fit.
func formatCommon(o FormatOptions) (*ondisk.Super, error) {
	s := &ondisk.Super{Offset: uint64(ondisk.SuperSector), Magic: ondisk.SuperMagic, UUID: o.UUID, SetUUID: o.SetUUID}
	switch {
	case o.BlockSectors > ondisk.PageSectors:
		return nil, fmt.Errorf("%w: %d sectors, at most %d", ErrBlockPage, o.BlockSectors, ondisk.PageSectors)
	case o.SetUUID.IsZero():
		return nil, fmt.Errorf("%w: it is zero", ErrSetUUID)
	case o.UUID == ondisk.InvalidUUID:
		return nil, fmt.Errorf("%w: %v is what detaching writes", ErrUUID, o.UUID)
	}
	label, err := MakeLabel(o.Label)
	if err != nil {
		return nil, err
	}
	s.Label = label
	s.BlockSize = uint16(o.BlockSectors)
	if o.BucketSectors <= 0xffff {
		s.BucketSize = uint16(o.BucketSectors)
	}
	return s, nil
}

// MakeLabel is a label as it stands on disk. Errors wrap ErrNewLabel.
func MakeLabel(text string) (label [32]byte, err error) {
	if len(text) > len(label) {
		return label, fmt.Errorf("%w: %d bytes, at most %d", ErrNewLabel, len(text), len(label))
	}
	copy(label[:], text)
	if Label(label) != text || !PrintableLabel(label) || bytes.ContainsRune(label[:], '\t') {
		return label, fmt.Errorf("%w: %q is not printable text", ErrNewLabel, text)
	}
	return label, nil
}

// formatFault is the first fault Check finds that a new device must not have.
func formatFault(s *ondisk.Super, d Device) error {
	for _, fault := range Check(s, d) {
		if !slices.ContainsFunc(formatTolerates, func(t error) bool { return errors.Is(fault, t) }) {
			return fault
		}
	}
	return nil
}

// DataOnBlock refuses a data offset inside a block: the kernel registers such a backing device on a disk of larger
// sectors, and then fails every request. make-bcache takes it.
func DataOnBlock(o FormatOptions) error {
	if o.BlockSectors > 0 && o.DataOffset%o.BlockSectors != 0 {
		return fmt.Errorf("%w: sector %d is no multiple of the block's %d", ErrDataOffset, o.DataOffset, o.BlockSectors)
	}
	return nil
}

// JournalArea is where the kernel will make the journal of a cache device, as formatted: from byte off, n bytes.
func JournalArea(s *ondisk.Super) (off, n int64) {
	bucket := BucketSectors(s).Bytes()
	return int64(s.FirstBucket) * bucket, int64(JournalCount(s.Nbuckets)) * bucket
}

// OldJournal reports whether the journal area of a device about to be formatted holds entries of the same set, at any
// block of any bucket. They would look newer than those the kernel is going to write, and be replayed in their place.
func OldJournal(r io.ReaderAt, s *ondisk.Super) (bool, error) {
	const window = 1 << 20
	b := make([]byte, window)
	for off, n := JournalArea(s); n > 0; off, n = off+window, n-window {
		part := b[:min(window, n)]
		if err := full.ReadAt(r, part, off); err != nil {
			return false, fmt.Errorf("looking for an old journal at byte %d: %w", off, err)
		}
		for at := 0; at < len(part); at += int(s.BlockSize) * ondisk.SectorBytes {
			if ondisk.JsetHasMagic(part[at:], s.SetMagic()) {
				return true, nil
			}
		}
	}
	return false, nil
}

// smallerBucket is the way out of too few buckets, where there is one.
func smallerBucket(o FormatOptions, d Device) string {
	for b := o.BucketSectors / 2; b >= max(ondisk.PageSectors, 2*o.BlockSectors); b /= 2 {
		if d.Size/b.Bytes() >= MinBuckets {
			return fmt.Sprintf("buckets of %d KiB would do", b.Bytes()/1024)
		}
	}
	return ""
}
