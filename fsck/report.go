// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// The results of a check.
const (
	Clean   = "clean"   // no damage; there may be warnings
	Damaged = "damaged" // the kernel refuses it, crashes on it, or loses data over it
)

// Report is what a check found.
type Report struct {
	Device   string
	Type     string // cache or backing
	Result   string
	Findings []finding.Finding
	Devices  []Pairing // of a cache: who belongs to its volumes
	Summary  *Summary  // nil for a backing device
}

// Summary counts what is on a cache device after journal replay.
type Summary struct {
	Buckets BucketCounts   `json:"buckets"`
	Btree   BtreeCounts    `json:"btree"`
	Journal JournalCounts  `json:"journal"`
	Prio    PrioCounts     `json:"prio"`
	Volumes []VolumeCounts `json:"volumes"`
}

// BucketCounts counts buckets by mark; those before the first bucket are metadata.
type BucketCounts struct {
	Total    uint64 `json:"total"`
	Free     uint64 `json:"free"`
	Clean    uint64 `json:"clean"`
	Dirty    uint64 `json:"dirty"`
	Metadata uint64 `json:"metadata"`
}

// BtreeCounts counts nodes, live pieces, and surviving pieces whose pointer is stale.
type BtreeCounts struct {
	Depth        int           `json:"depth"`
	Nodes        int           `json:"nodes"`
	Extents      int64         `json:"extents"`
	LiveSectors  ondisk.Sector `json:"live_sectors"`
	StaleExtents int64         `json:"stale_extents"`
}

// JournalCounts describes the newest entry, and how many are live.
type JournalCounts struct {
	Entries int    `json:"entries"`
	Seq     uint64 `json:"seq"`
	LastSeq uint64 `json:"last_seq"`
}

// PrioCounts is the chain, in order.
type PrioCounts struct {
	Buckets []ondisk.Bucket `json:"buckets"`
}

// VolumeCounts is what the cache holds of one inode. A volume without a slot has no uuid.
type VolumeCounts struct {
	Inode        uint32        `json:"inode"`
	UUID         *string       `json:"uuid"`
	Label        string        `json:"label"`
	FlashOnly    bool          `json:"flash_only"`
	LiveSectors  ondisk.Sector `json:"live_sectors"`
	DirtySectors ondisk.Sector `json:"dirty_sectors"`
}

func (c *checker) report() *Report {
	r := &Report{Device: c.dev.Name, Type: "cache", Result: Clean, Findings: c.found.Findings()}
	if c.found.Damaged() {
		r.Result = Damaged
	}
	if c.super.IsBacking() {
		r.Type = "backing"
		return r
	}
	r.Devices = c.pairings()
	r.Summary = Summarize(c.c)
	return r
}

// Summarize counts a cache. It takes nil for one of which nothing could be read.
func Summarize(c *inspect.Cache) *Summary {
	s := &Summary{Prio: PrioCounts{Buckets: []ondisk.Bucket{}}, Volumes: []VolumeCounts{}}
	if c == nil {
		return s
	}
	s.Buckets.Total = uint64(c.Buckets.Len())
	var marks [4]uint64
	for b := range c.Buckets.Len() {
		marks[c.Buckets.Mark(b)]++
	}
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
			LiveSectors: v.LiveSectors, DirtySectors: v.DirtySectors,
		})
	}
	return s
}
