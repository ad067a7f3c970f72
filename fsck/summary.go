// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"encoding/json"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
)

// Summary counts what was seen on a cache device after journal replay. Where Known says that a part could not be read,
// what follows from it is the least there is, or nothing at all, and null in JSON.
type Summary struct {
	Known   inspect.Known
	Sizes   bool // whether the superblock tells them; without them nothing was seen
	Buckets BucketCounts
	Btree   BtreeCounts
	Journal JournalCounts
	Prio    PrioCounts
	Volumes []VolumeCounts
	Health  Health
}

// Health is how near the cache is to some of its limits.
type Health struct {
	JournalBuckets int // of the ring
	JournalUsed    int // of them, those with live entries
	GenDistance    int // of the pointer that is farthest behind its bucket's gen
	Slots          int // of the uuid bucket
	SlotsFree      int // of them, never used
}

func healthOf(c *inspect.Cache) (h Health) {
	h.JournalBuckets = c.Geo.NJournal
	if c.Journal != nil {
		used := map[int]bool{}
		for _, e := range c.Journal.Live {
			used[e.Ring] = true
		}
		h.JournalUsed = len(used)
	}
	h.GenDistance = int(c.Buckets.Sums().Lag)
	h.Slots = c.Geo.NrUUIDs()
	h.SlotsFree = h.Slots - len(c.UUIDs) + c.UUIDs.Count(uuids.Empty)
	return h
}

// BucketCounts counts buckets by mark; those before the first bucket are metadata.
type BucketCounts struct{ Total, Free, Clean, Dirty, Metadata uint64 }

// BtreeCounts counts nodes, live pieces, and surviving pieces whose pointer is stale.
type BtreeCounts struct {
	Depth        int
	Nodes        int
	Extents      int64
	LiveSectors  ondisk.Sector
	StaleExtents int64
}

// JournalCounts describes the newest entry, and how many are live.
type JournalCounts struct {
	Entries      int
	Seq, LastSeq uint64
}

// PrioCounts is the chain, in order.
type PrioCounts struct{ Buckets []ondisk.Bucket }

// VolumeCounts is what the cache holds of one inode. A volume without a slot has no uuid.
type VolumeCounts struct {
	Inode        uint32
	UUID         *string
	Label        string
	FlashOnly    bool
	LiveSectors  ondisk.Sector
	DirtySectors ondisk.Sector
	LostSectors  ondisk.Sector // dirty data that nothing leads to any more: at most so many are lost
	SavedSectors ondisk.Sector // of such, those that the given backing device holds
}

// Summarize counts a cache. It takes nil for one of which nothing could be read.
func Summarize(c *inspect.Cache) *Summary {
	s := &Summary{Prio: PrioCounts{Buckets: []ondisk.Bucket{}}, Volumes: []VolumeCounts{}}
	if c == nil {
		return s
	}
	s.Sizes, s.Known, s.Health = true, c.Known(), healthOf(c)
	s.Buckets.Total = uint64(c.Buckets.Len())
	marks := c.Buckets.Sums().Marks
	s.Buckets.Free, s.Buckets.Clean, s.Buckets.Dirty, s.Buckets.Metadata = marks[inspect.Free], marks[inspect.Clean], marks[inspect.Dirty], marks[inspect.Metadata]
	s.Btree.Depth, s.Btree.Nodes = c.Tree.Depth, c.Tree.Nodes
	if c.Journal != nil && c.Journal.Newest != nil {
		s.Journal = JournalCounts{len(c.Journal.Live), c.Journal.Newest.Seq, c.Journal.Newest.LastSeq}
	}
	for _, l := range c.Chain.Links {
		s.Prio.Buckets = append(s.Prio.Buckets, l.Bucket)
	}
	for _, v := range c.Volumes {
		s.Btree.Extents += v.Extents
		s.Btree.LiveSectors += v.LiveSectors
		s.Btree.StaleExtents += v.Stale
		s.Volumes = append(s.Volumes, VolumeCounts{
			Inode: v.Inode, UUID: v.UUID(), Label: v.Label(), FlashOnly: v.Slot != nil && v.Slot.FlashOnly(),
			LiveSectors: v.LiveSectors, DirtySectors: v.DirtySectors, LostSectors: v.StaleSectors + v.DeadSectors,
		})
	}
	return s
}

// Dirty is how many dirty sectors were seen, of all volumes.
func (s *Summary) Dirty() (n ondisk.Sector) {
	for _, v := range s.Volumes {
		n += v.DirtySectors
	}
	return n
}

// Lost is how many dirty sectors may be lost, at most, of all volumes: of those that are not on a backing device.
func (s *Summary) Lost() (n ondisk.Sector) {
	for _, v := range s.Volumes {
		n += v.LostSectors - v.SavedSectors
	}
	return n
}

// Complete reports whether everything could be read.
func (s *Summary) Complete() bool { return s.Sizes && s.Known.All() }

// The summary in JSON: a count that is not known is null.
type (
	count = inspect.Maybe[uint64]

	bucketsView struct {
		Total    count `json:"total"`
		Free     count `json:"free"`
		Clean    count `json:"clean"`
		Dirty    count `json:"dirty"`
		Metadata count `json:"metadata"`
	}
	btreeView struct {
		Depth        count `json:"depth"`
		Nodes        count `json:"nodes"`
		Extents      count `json:"extents"`
		LiveSectors  count `json:"live_sectors"`
		StaleExtents count `json:"stale_extents"`
	}
	journalView struct {
		Entries count `json:"entries"`
		Seq     count `json:"seq"`
		LastSeq count `json:"last_seq"`
	}
	prioView struct {
		Buckets inspect.Maybe[[]ondisk.Bucket] `json:"buckets"`
	}
	volumeView struct {
		Inode        uint32                `json:"inode"`
		UUID         *string               `json:"uuid"`
		Label        inspect.Maybe[string] `json:"label"`
		FlashOnly    inspect.Maybe[bool]   `json:"flash_only"`
		LiveSectors  count                 `json:"live_sectors"`
		DirtySectors count                 `json:"dirty_sectors"`
		SeenLive     ondisk.Sector         `json:"seen_live_sectors"`  // as many as could be read
		SeenDirty    ondisk.Sector         `json:"seen_dirty_sectors"` // as many as could be read
		Lost         ondisk.Sector         `json:"lost_sectors"`       // dirty ones that may be lost, at most
		Saved        ondisk.Sector         `json:"saved_sectors"`      // others like these, which are on the backing device
	}
)

// MarshalJSON leaves out nothing, and says null where it does not know.
func (s *Summary) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("null"), nil
	}
	k, c := s.Known, s.Known.Counts()
	num := func(known bool, n uint64) count { return inspect.If(s.Sizes && known, n) }
	head := k.Journal || s.Journal.Entries > 0 // the newest entry's numbers are known though others are lost
	v := struct {
		Buckets bucketsView                 `json:"buckets"`
		Btree   btreeView                   `json:"btree"`
		Journal journalView                 `json:"journal"`
		Prio    prioView                    `json:"prio"`
		Volumes inspect.Maybe[[]volumeView] `json:"volumes"`
	}{
		Buckets: bucketsView{num(true, s.Buckets.Total), num(c, s.Buckets.Free), num(c, s.Buckets.Clean), num(c, s.Buckets.Dirty), num(c, s.Buckets.Metadata)},
		Btree: btreeView{
			num(head, uint64(s.Btree.Depth)), num(k.Tree, uint64(s.Btree.Nodes)), num(c, uint64(s.Btree.Extents)),
			num(c, uint64(s.Btree.LiveSectors)), num(c, uint64(s.Btree.StaleExtents)),
		},
		Journal: journalView{num(k.Journal, uint64(s.Journal.Entries)), num(head, s.Journal.Seq), num(head, s.Journal.LastSeq)},
		Prio:    prioView{inspect.If(s.Sizes && k.Gens, s.Prio.Buckets)},
	}
	rows := []volumeView{}
	for _, o := range s.Volumes {
		rows = append(rows, volumeView{
			Inode: o.Inode, UUID: o.UUID, Label: inspect.If(k.Names || o.UUID != nil, o.Label), FlashOnly: inspect.If(k.Names || o.UUID != nil, o.FlashOnly),
			LiveSectors: num(c, uint64(o.LiveSectors)), DirtySectors: num(c, uint64(o.DirtySectors)),
			SeenLive: o.LiveSectors, SeenDirty: o.DirtySectors, Lost: o.LostSectors - o.SavedSectors, Saved: o.SavedSectors,
		})
	}
	// What was seen of some volumes is said; where none was, there may be some all the same.
	v.Volumes = inspect.If(len(rows) > 0 || s.Sizes && k.Names && k.Tree && k.Journal, rows)
	return json.Marshal(v)
}
