// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

const (
	SuperSector      = Sector(8)
	SuperOffset      = int64(SuperSector) * SectorBytes
	SuperSize        = 4096
	JournalBuckets   = 256 // SB_JOURNAL_BUCKETS
	DataStartDefault = Sector(16)
)

// SuperMagic marks a bcache superblock; it is also the one signature other programs look for, at byte 4120.
var SuperMagic = [16]byte{0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81}

// InvalidUUID is what detaching writes over a volume's uuid.
var InvalidUUID = UUID{0xa0, 0x3e, 0xf8, 0xed, 0x3e, 0xe1, 0xb8, 0x78, 0xc8, 0x50, 0xfc, 0x5e, 0xcb, 0x16, 0xcd, 0x99}

// The versions of a superblock.
const (
	VersionCache         = 0 // CDEV: what make-bcache writes
	VersionBacking       = 1 // BDEV
	VersionCacheUUID     = 3 // CDEV_WITH_UUID: what the kernel writes at the first registration
	VersionBackingOffset = 4 // BDEV_WITH_OFFSET
	VersionCacheFeat     = 5 // CDEV_WITH_FEATURES
	VersionBackingFeat   = 6 // BDEV_WITH_FEATURES
)

// Incompatible features of versions 5 and 6.
const (
	FeatureObsoLargeBucket = 1 << 0 // the bucket size's high half stands in ObsoBucketSizeHi
	FeatureLogBucketSize   = 1 << 1 // BucketSize is the size's logarithm
)

// UUID is 16 bytes as they stand on disk.
type UUID [16]byte

// IsZero is bch_is_zero.
func (u UUID) IsZero() bool { return u == UUID{} }

// Distance counts the bits in which two uuids differ: 64 or so where they are unrelated.
func (u UUID) Distance(v UUID) (n int) {
	for i := range u {
		n += bits.OnesCount8(u[i] ^ v[i])
	}
	return n
}

func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Super is struct cache_sb_disk, byte for byte, with the rest of its 4096 bytes. A backing device keeps its data
// offset where a cache device keeps Nbuckets.
type Super struct {
	Csum, Offset, Version uint64
	Magic                 [16]byte
	UUID, SetUUID         UUID
	Label                 [32]byte
	Flags, Seq            uint64
	FeatureCompat         uint64
	FeatureIncompat       uint64
	FeatureROCompat       uint64
	Pad                   [5]uint64
	Nbuckets              uint64
	BlockSize             uint16 // sectors
	BucketSize            uint16 // sectors, or their logarithm: see superblock.BucketSectors
	NrInSet, NrThisDev    uint16
	LastMount             uint32 // seconds since 1970
	FirstBucket           uint16
	Keys                  uint16 // count of journal buckets
	D                     [JournalBuckets]uint64
	ObsoBucketSizeHi      uint16
	Tail                  [SuperSize - superHeader]byte
}

const superKeysAt, superHeader = 208, 208 + 8*JournalBuckets + 2

// DecodeSuper reads the 4096 bytes at SuperOffset. It judges nothing: any SuperSize bytes are a Super.
func DecodeSuper(b []byte) (*Super, error) {
	s := new(Super)
	if _, err := binary.Decode(b, binary.LittleEndian, s); err != nil {
		return nil, fmt.Errorf("superblock: %w: %d bytes, want %d", ErrShort, len(b), SuperSize)
	}
	return s, nil
}

// Append is DecodeSuper's inverse.
func (s *Super) Append(b []byte) []byte {
	b, err := binary.Append(b, binary.LittleEndian, s)
	if err != nil {
		panic(err) // only if Super stops being of fixed size
	}
	return b
}

// Checksum computes what Csum should be: over byte 8 to the last key, as csum_set does. A Keys beyond
// JournalBuckets reaches into the tail; what would lie behind the 4096 bytes is left out.
func (s *Super) Checksum() uint64 {
	b := s.Append(make([]byte, 0, SuperSize))
	return Crc64(b[8:SuperChecked(s)])
}

// SuperChecked is how many of the superblock's bytes the checksum covers, its own eight among them.
func SuperChecked(s *Super) int { return min(superKeysAt+8*int(s.Keys), SuperSize) }

// SetMagic is what the magics of a set's structures are xored with: the first eight bytes of its uuid.
func (s *Super) SetMagic() uint64 { return s.SetUUID.SetMagic() }

// SetMagic is Super's, of the set that has this uuid.
func (u UUID) SetMagic() uint64 { return binary.LittleEndian.Uint64(u[:]) }

// IsBacking is SB_IS_BDEV, but for a superblock with a cache's journal buckets: no backing device has any, so its version
// is wrong.
func (s *Super) IsBacking() bool {
	return (s.Version == VersionBacking || s.Version == VersionBackingOffset || s.Version == VersionBackingFeat) && !s.hasRing()
}

// Bucketless reports whether it says that it is a cache device's and names no buckets, as only a backing device's does not:
// its version is wrong.
func (s *Super) Bucketless() bool {
	return s.Version <= VersionCacheFeat && !s.IsBacking() && s.Keys == 0 && s.FirstBucket == 0 && s.Nbuckets < 128
}

// hasRing reports whether journal buckets are named, one after the other from the first on.
func (s *Super) hasRing() bool {
	if s.Keys < 2 || s.Keys > JournalBuckets || s.FirstBucket == 0 {
		return false
	}
	for i, b := range s.D[:s.Keys] {
		if b != uint64(s.FirstBucket)+uint64(i) {
			return false
		}
	}
	return true
}

// The bits of Flags.
const (
	cacheSync        field = 0<<8 | 1
	cacheDiscard     field = 1<<8 | 1
	cacheReplacement field = 2<<8 | 3
	bdevCacheMode    field = 0<<8 | 4
	bdevState        field = 61<<8 | 2
)

// Replacement is CACHE_REPLACEMENT: how the allocator picks the next bucket to invalidate.
type Replacement uint8

const (
	LRU Replacement = iota
	FIFO
	Random
)

// CacheMode is BDEV_CACHE_MODE.
type CacheMode uint8

const (
	Writethrough CacheMode = iota
	Writeback
	Writearound
	None
)

// State is BDEV_STATE: what a backing device says of its dirty data.
type State uint8

const (
	StateNone State = iota
	StateClean
	StateDirty
	StateStale
)

func (s *Super) Sync() bool                   { return cacheSync.get(s.Flags) != 0 }
func (s *Super) SetSync(on bool)              { cacheSync.set(&s.Flags, b2u(on)) }
func (s *Super) Discard() bool                { return cacheDiscard.get(s.Flags) != 0 }
func (s *Super) SetDiscard(on bool)           { cacheDiscard.set(&s.Flags, b2u(on)) }
func (s *Super) Replacement() Replacement     { return Replacement(cacheReplacement.get(s.Flags)) }
func (s *Super) SetReplacement(r Replacement) { cacheReplacement.set(&s.Flags, uint64(r)) }
func (s *Super) CacheMode() CacheMode         { return CacheMode(bdevCacheMode.get(s.Flags)) }
func (s *Super) SetCacheMode(m CacheMode)     { bdevCacheMode.set(&s.Flags, uint64(m)) }
func (s *Super) State() State                 { return State(bdevState.get(s.Flags)) }
func (s *Super) SetState(st State)            { bdevState.set(&s.Flags, uint64(st)) }

func name[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("unknown (%d)", v)
}

func (r Replacement) String() string { return name([]string{"lru", "fifo", "random"}, r) }
func (m CacheMode) String() string {
	return name([]string{"writethrough", "writeback", "writearound", "none"}, m)
}
func (st State) String() string { return name([]string{"none", "clean", "dirty", "stale"}, st) }
