// SPDX-License-Identifier: GPL-2.0-only

package finding

import (
	"encoding/json"
	"fmt"

	"bctl/internal/bcache/ondisk"
)

// A Subject is what a finding is about. Its place begins the message, and it fills in where that is; a mender switches
// over its type. In JSON it is an object with a kind.
type Subject interface {
	json.Marshaler
	Place() string // empty where the message says it all
	locate(f *Finding)
}

// Super is the superblock of the cache device; Device names a backing device whose superblock it is.
type Super struct {
	Device  string `json:"device,omitempty"`
	Backing bool   `json:"backing"`
}

// Node is a btree node.
type Node struct {
	Bucket ondisk.Bucket `json:"bucket"`
	Sector ondisk.Sector `json:"sector"`
	Level  int           `json:"level"`
	Key    *ondisk.Bkey  `json:"-"` // of a child or an extent in it; nil where the node as a whole is meant
}

// Bset is one bset of a node, or what stands in its place.
type Bset struct {
	Node
	Block ondisk.Sector `json:"block"` // in blocks from the node's start
	At    ondisk.Sector `json:"at"`    // in sectors from there
}

// Ring is the journal as a whole, seen from one of its entries.
type Ring struct {
	Bucket ondisk.Bucket `json:"bucket"`
	Sector ondisk.Sector `json:"sector"`
}

// JournalBlock is a place in a journal bucket where an entry stands, or should.
type JournalBlock struct {
	Bucket ondisk.Bucket `json:"bucket"`
	Offset ondisk.Sector `json:"offset"` // in the bucket
	Sector ondisk.Sector `json:"sector"`
	Seq    uint64        `json:"seq"` // 0 where it cannot be read
}

// JournalEntry is an entry by its number.
type JournalEntry struct {
	Seq    uint64        `json:"seq"`
	Bucket ondisk.Bucket `json:"bucket"`
	Sector ondisk.Sector `json:"sector"`
}

// JournalKey is a key of an entry.
type JournalKey struct {
	Seq uint64
	Key ondisk.Bkey
}

// PrioLink is a set of the prio chain. The one before the current chain has number -1.
type PrioLink struct {
	Set    int           `json:"set"`
	Bucket ondisk.Bucket `json:"bucket"`
}

// Bucket is a bucket, whatever stands in it.
type Bucket struct {
	Bucket ondisk.Bucket `json:"bucket"`
	Name   string        `json:"-"` // "bucket", where nothing else is said
}

// Slot is a slot of the uuid bucket.
type Slot struct {
	Slot uint32 `json:"slot"`
}

// Volume is what the cache holds of an inode.
type Volume struct {
	Inode uint32 `json:"inode"`
}

// Extent is a range of a volume, and where the cache has it: Bucket is nil where it points nowhere.
type Extent struct {
	Key       ondisk.Bkey
	Bucket    *ondisk.Bucket
	VolumeEnd ondisk.Sector // where its volume ends, if that is what is wrong; 0 elsewhere
}

// Backing is a backing device.
type Backing struct {
	Device string `json:"device"`
}

// Bytes is a place outside all structures, of the cache device or of a backing device.
type Bytes struct {
	Device string `json:"device,omitempty"`
	Offset int64  `json:"offset"`
}

func (s Super) Place() string {
	if s.Backing {
		return "backing superblock"
	}
	return "superblock"
}

func (s Node) Place() string {
	return fmt.Sprintf("btree node at bucket %d, level %d", s.Bucket, s.Level)
}

func (s Bset) Place() string {
	return fmt.Sprintf("btree node at bucket %d, block %d, level %d", s.Bucket, s.Block, s.Level)
}
func (s Ring) Place() string { return "journal" }
func (s JournalBlock) Place() string {
	return fmt.Sprintf("journal bucket %d, sector %d", s.Bucket, s.Offset)
}
func (s JournalEntry) Place() string { return fmt.Sprintf("journal entry %d", s.Seq) }
func (s JournalKey) Place() string {
	return fmt.Sprintf("journal entry %d: key %s", s.Seq, s.Key.String())
}

func (s PrioLink) Place() string {
	if s.Set < 0 {
		return fmt.Sprintf("prio set before, bucket %d", s.Bucket)
	}
	return fmt.Sprintf("prio set %d, bucket %d", s.Set, s.Bucket)
}

func (s Bucket) Place() string {
	if s.Name != "" {
		return fmt.Sprintf("%s %d", s.Name, s.Bucket)
	}
	return fmt.Sprintf("bucket %d", s.Bucket)
}
func (s Slot) Place() string    { return fmt.Sprintf("uuid slot %d", s.Slot) }
func (s Volume) Place() string  { return fmt.Sprintf("volume %d", s.Inode) }
func (s Extent) Place() string  { return "extent " + s.Key.String() }
func (s Backing) Place() string { return s.Device }
func (s Bytes) Place() string   { return "" }

func (s Super) locate(f *Finding) { f.Device, f.Sector = s.Device, ptr(ondisk.SuperSector) }
func (s Node) locate(f *Finding)  { f.Bucket, f.Sector = ptr(s.Bucket), ptr(s.Sector) }
func (s Bset) locate(f *Finding)  { f.Bucket, f.Sector = ptr(s.Bucket), ptr(s.Sector+s.At) }
func (s Ring) locate(f *Finding)  { f.Bucket, f.Sector = ptr(s.Bucket), ptr(s.Sector) }
func (s JournalBlock) locate(f *Finding) {
	f.Bucket, f.Sector = ptr(s.Bucket), ptr(s.Sector)
}
func (s JournalEntry) locate(f *Finding) { f.Bucket, f.Sector = ptr(s.Bucket), ptr(s.Sector) }
func (s JournalKey) locate(f *Finding)   { f.extent(&s.Key) }
func (s PrioLink) locate(f *Finding)     { f.Bucket = ptr(s.Bucket) }
func (s Bucket) locate(f *Finding)       { f.Bucket = ptr(s.Bucket) }
func (s Slot) locate(f *Finding)         { f.Inode = ptr(s.Slot) }
func (s Volume) locate(f *Finding)       { f.Inode = ptr(s.Inode) }
func (s Extent) locate(f *Finding) {
	f.extent(&s.Key)
	if s.Bucket != nil {
		f.Bucket, f.Sector = ptr(*s.Bucket), ptr(s.Key.Ptr[0].Offset())
	}
}
func (s Backing) locate(f *Finding) { f.Device = s.Device }
func (s Bytes) locate(f *Finding) {
	f.Device, f.Sector = s.Device, ptr(ondisk.Sector(s.Offset/ondisk.SectorBytes))
}

// extent says which sectors of which volume a key covers; one that starts before its volume covers none before 0.
func (f *Finding) extent(k *ondisk.Bkey) {
	f.Inode, f.OffsetSectors, f.Sectors = ptr(k.Inode()), ptr(max(k.Offset(), k.Size())-k.Size()), ptr(k.Size())
}
