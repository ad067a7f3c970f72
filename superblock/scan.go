// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
)

// A cache says of itself what its superblock said, in other places: every structure's magic carries the first half of
// the set's uuid, a journal entry names the uuid bucket and the root with their sizes, and a prio set that stands where
// the entry's bucket number leads proves the bucket size by its checksum.

// ErrNoTrace says that nothing of a cache was found.
var ErrNoTrace = errors.New("no journal entry of a cache")

// Trace is what a cache's own metadata tell of its superblock. Zero: not told.
type Trace struct {
	SetMagic      uint64 // the first eight bytes of the set's uuid
	Newest        *ondisk.Jset
	Entries       int           // that were found
	FirstEntry    ondisk.Sector // of the first journal entry that was found
	LastEntry     ondisk.Sector
	BlockSectors  ondisk.Sector // the largest that all entries stand on
	BucketSectors ondisk.Sector
	Proof         ondisk.Sector // of the prio set that proves it, where no journal leads to it
	PrioProven    bool          // a prio set's checksum proves BucketSectors
	FirstBucket   ondisk.Bucket // 0: where make-bcache lets them begin
	NBuckets      ondisk.Bucket // 0: as many as fit on the device

	roots []ondisk.Bkey // the last that were met
}

// mostRoots is how many of the last roots are kept: that of the newest entry may be the one that is damaged.
const mostRoots = 8

// scanWindow is how much is read at a time; what a jset needs behind a window's last sector overlaps.
const scanWindow = 1 << 20

// FindTrace reads up to limit bytes of r, which is size bytes long, for journal entries, and follows the newest.
// setMagic, where it is not 0, is what they must have. Errors: ErrNoTrace, the context's, r's only where nothing at all
// could be read.
func FindTrace(ctx context.Context, r io.ReaderAt, size, limit int64, setMagic uint64) (*Trace, error) {
	t := &Trace{SetMagic: setMagic, BlockSectors: ondisk.PageSectors}
	r = full.Known(r)
	buf := make([]byte, scanWindow+ondisk.MaxJsetBytes)
	limit = min(limit, size)
	var failed error
	behind := int64(0) // the end of the last entry
	for off := ondisk.SuperOffset + ondisk.SuperSize; off < limit; off += scanWindow {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			failed = err
		}
		for at := 0; at < min(n, scanWindow); at += ondisk.SectorBytes {
			if j := t.entry(buf[at:n]); j != nil {
				t.note(j, off+int64(at), behind)
				behind = off + int64(at) + ondisk.JsetSize(buf[at:n])
			}
		}
	}
	if t.Newest == nil {
		if failed != nil {
			return nil, failed
		}
		return nil, fmt.Errorf("%w in the first %d bytes", ErrNoTrace, limit)
	}
	t.bucketSize(r, size)
	return t, nil
}

// entry is the journal entry at the start of b, or nil.
func (t *Trace) entry(b []byte) *ondisk.Jset {
	if len(b) < ondisk.JsetBytes {
		return nil
	}
	magic := ondisk.JsetSetMagic(b)
	if t.SetMagic != 0 && magic != t.SetMagic || binary.LittleEndian.Uint32(b[24:]) > 1 || ondisk.JsetSize(b) > ondisk.MaxJsetBytes ||
		binary.LittleEndian.Uint64(b[16:]) == 0 {
		return nil // few blocks get as far as their checksum
	}
	j, err := ondisk.DecodeJset(b, magic)
	if err != nil || !j.BtreeRoot.IsMax() {
		return nil
	}
	t.SetMagic = magic
	return j
}

// note keeps the newest entry, and what the place of each tells of the block size.
func (t *Trace) note(j *ondisk.Jset, at, behind int64) {
	s := ondisk.Sector(at / ondisk.SectorBytes)
	if t.Newest == nil {
		t.FirstEntry = s
	}
	t.LastEntry = s
	t.Entries++
	if root := j.BtreeRoot.Bkey; root.Ptrs() == 1 && (len(t.roots) == 0 || t.roots[len(t.roots)-1].Ptr != root.Ptr) {
		t.roots = append(t.roots[max(0, len(t.roots)-mostRoots+1):], root)
	}
	if t.Newest == nil || j.Seq > t.Newest.Seq {
		t.Newest = j
	}
	// An entry stands in the first block behind the one before, if it is of the same run.
	gap := s - ondisk.Sector((behind+ondisk.SectorBytes-1)/ondisk.SectorBytes)
	for b := t.BlockSectors; b > 0; b /= 2 {
		if s%b == 0 && (behind == 0 || gap < b || gap >= ondisk.PageSectors) {
			t.BlockSectors = b
			return
		}
	}
}

// bucketSize tries every size at which the newest entry's prio bucket holds a prio set.
func (t *Trace) bucketSize(r io.ReaderAt, size int64) {
	meta := t.Newest.UUIDBucket.Size() // meta_bucket_pages
	if bits.OnesCount64(uint64(meta)) != 1 || meta > maxMetaSectors || meta < ondisk.PageSectors {
		return
	}
	if meta < maxMetaSectors {
		t.BucketSectors = meta
	}
	b := make([]byte, meta.Bytes())
	for _, p := range t.Newest.PrioBucket {
		for bucket := meta; bucket <= MaxFormatBucket && p > 0; bucket *= 2 {
			at := ondisk.Sector(p) * bucket
			if p > uint64(size) || at.Bytes() > size-meta.Bytes() {
				break
			}
			if n, _ := r.ReadAt(b, at.Bytes()); n < len(b) {
				continue
			}
			if _, err := ondisk.DecodePrioSet(b, t.SetMagic); err == nil {
				t.BucketSectors, t.PrioProven = bucket, true
				return
			}
		}
	}
}

// Super is a registered cache's superblock with what t tells, for a device of size bytes. What nothing tells keeps
// make-bcache's default: lru, no discard, no label. uuid and set are taken as they are; the first half of set must be
// the trace's. Errors: no bucket size; those of NewGeometry.
func (t *Trace) Super(size int64, uuid, set ondisk.UUID) (*ondisk.Super, error) {
	if t.BucketSectors == 0 {
		return nil, fmt.Errorf("%w: nothing proves one", ErrBucketSize)
	}
	s := &ondisk.Super{
		Offset: uint64(ondisk.SuperSector), Magic: ondisk.SuperMagic, Version: ondisk.VersionCacheUUID, UUID: uuid, SetUUID: set,
		BlockSize: uint16(t.BlockSectors), NrInSet: 1, Seq: 1,
		Nbuckets:    uint64(ondisk.Sector(size/ondisk.SectorBytes) / t.BucketSectors),
		FirstBucket: uint16(FirstBucket(t.BucketSectors)),
	}
	if t.BucketSectors > 0xffff {
		s.Version, s.FeatureIncompat = ondisk.VersionCacheFeat, ondisk.FeatureLogBucketSize
		s.BucketSize = uint16(bits.TrailingZeros64(uint64(t.BucketSectors)))
	} else {
		s.BucketSize = uint16(t.BucketSectors)
	}
	if first := t.FirstEntry / t.BucketSectors; t.Newest != nil && first < ondisk.Sector(s.FirstBucket) {
		s.FirstBucket = uint16(first)
	}
	if t.FirstBucket > 0 {
		s.FirstBucket = uint16(t.FirstBucket)
	}
	if t.NBuckets > 0 {
		s.Nbuckets = uint64(t.NBuckets)
	}
	binary.LittleEndian.PutUint64(s.SetUUID[:], t.SetMagic)
	SetJournal(s)
	if last := uint64(t.LastEntry / t.BucketSectors); t.Newest != nil && last >= uint64(s.FirstBucket)+uint64(s.Keys) && last-uint64(s.FirstBucket) < ondisk.JournalBuckets {
		setRing(s, int(last-uint64(s.FirstBucket))+1) // of a cache that was larger
	}
	s.SetSync(true)
	s.Csum = s.Checksum()
	_, err := NewGeometry(s)
	return s, err
}

// SetJournal gives s the journal that the kernel makes at the first registration: one bucket after the other from the
// first on.
func SetJournal(s *ondisk.Super) { setRing(s, JournalCount(s.Nbuckets)) }

func setRing(s *ondisk.Super, n int) {
	s.Keys = uint16(n)
	clear(s.D[:])
	for i := range int(s.Keys) {
		s.D[i] = uint64(s.FirstBucket) + uint64(i)
	}
}

// FirstBucket is where make-bcache lets buckets begin: behind the superblock's 24 sectors.
func FirstBucket(bucket ondisk.Sector) ondisk.Bucket { return ondisk.Bucket(23/bucket) + 1 }
