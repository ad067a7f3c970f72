// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"bctl/internal/bcache/ondisk"
)

// BucketRow is one bucket to look at. What could not be read is unknown: a bucket that nothing refers to may be in use
// where a part of the tree is lost, and what a bucket of unknown gen is said to hold may be stale.
type BucketRow struct {
	Bucket  ondisk.Bucket `json:"bucket"`
	Gen     Maybe[uint8]  `json:"gen"`      // at registration
	DiskGen Maybe[uint8]  `json:"disk_gen"` // in the prio chain
	Prio    Maybe[uint16] `json:"prio"`     // in the prio chain
	Mark    Maybe[string] `json:"mark"`
	Sectors Maybe[uint32] `json:"sectors"` // live
	Owner   string        `json:"owner"`
	Inodes  []uint32      `json:"inodes"` // of its live data; not to be written to
}

// Row returns one bucket.
func (c *Cache) Row(b ondisk.Bucket) (r BucketRow) {
	new(ownerMemo).fill(&r, c.Buckets, b, c.Known())
	return r
}

// ownerMemo keeps what rows said of their owners, at the owners' number: few sets of volumes own millions of buckets.
type ownerMemo [256]owned

// owned is what a bucket's owners are called, and their inodes; nil inodes: nothing was asked yet.
type owned struct {
	flags, owners uint64
	owner         string
	inodes        []uint32
}

func (m *ownerMemo) fill(r *BucketRow, t *Buckets, b ondisk.Bucket, k Known) {
	flags, owners := t.is(b)&(flagMeta|levelMask), t.owners(b)
	of := &m[(owners>>ownShift+owners+flags>>32+flags>>levelShift)%uint64(len(m))]
	if of.inodes == nil || of.flags != flags || of.owners != owners {
		*of = owned{flags, owners, t.Owner(b), append([]uint32{}, t.Inodes(b)...)}
	}
	disk, mark, all := t.GenKnown(b), t.Mark(b), k.Tree && k.Journal
	*r = BucketRow{
		Bucket: b, Gen: If(disk || t.GenSeen(b), t.Gen(b)), DiskGen: If(disk, t.DiskGen(b)), Prio: If(disk, t.Prio(b)),
		Mark: If(all || mark != Free, mark.String()), Sectors: If(all && disk, t.Sectors(b)), Owner: of.owner, Inodes: of.inodes,
	}
}

// Filter says which buckets to show, and in which order.
type Filter struct {
	Marks    []Mark // none: all
	Inode    int64  // below 0: all
	First    ondisk.Bucket
	Last     ondisk.Bucket
	GenAbove int    // below 0: all
	Sort     string // a key of SortKeys, with a - in front for the largest first; empty: by number
}

// sortKeys compare two buckets by a column.
var sortKeys = map[string]func(t *Buckets, a, b ondisk.Bucket) int{
	"bucket":   func(_ *Buckets, a, b ondisk.Bucket) int { return cmp.Compare(a, b) },
	"gen":      func(t *Buckets, a, b ondisk.Bucket) int { return cmp.Compare(t.Gen(a), t.Gen(b)) },
	"disk_gen": func(t *Buckets, a, b ondisk.Bucket) int { return cmp.Compare(t.DiskGen(a), t.DiskGen(b)) },
	"prio":     func(t *Buckets, a, b ondisk.Bucket) int { return cmp.Compare(t.Prio(a), t.Prio(b)) },
	"mark":     func(t *Buckets, a, b ondisk.Bucket) int { return cmp.Compare(t.Mark(a), t.Mark(b)) },
	"sectors":  func(t *Buckets, a, b ondisk.Bucket) int { return cmp.Compare(t.Sectors(a), t.Sectors(b)) },
	"owner":    func(t *Buckets, a, b ondisk.Bucket) int { return strings.Compare(t.Owner(a), t.Owner(b)) },
}

// SortKeys are the columns that Filter.Sort takes.
var SortKeys = []string{"bucket", "gen", "disk_gen", "prio", "mark", "sectors", "owner"}

// CheckSort reports whether Filter.Sort takes key.
func CheckSort(key string) error {
	if key == "" || slices.Contains(SortKeys, strings.TrimPrefix(key, "-")) {
		return nil
	}
	return fmt.Errorf("%q: not one of %s", key, strings.Join(SortKeys, ", "))
}

// Rows yields the buckets that f lets through: a row lasts until the next. Only sorting keeps more than one of them.
func (c *Cache) Rows(f Filter) iter.Seq2[*BucketRow, error] {
	return func(yield func(*BucketRow, error) bool) {
		var row BucketRow
		known, memo := c.Known(), new(ownerMemo)
		for b := range c.numbers(f) {
			memo.fill(&row, c.Buckets, b, known)
			if !yield(&row, nil) {
				return
			}
		}
	}
}

func (c *Cache) numbers(f Filter) iter.Seq[ondisk.Bucket] {
	unsorted := func(yield func(ondisk.Bucket) bool) {
		for b := f.First; b <= f.Last && b < c.Buckets.Len(); b++ {
			if c.passes(f, b) && !yield(b) {
				return
			}
		}
	}
	if f.Sort == "" {
		return unsorted
	}
	var picked []uint32 // the kernel's count of buckets fits a long; a table of them fits memory only in 32 bits
	for b := range unsorted {
		picked = append(picked, uint32(b))
	}
	key, sign := sortKeys[strings.TrimPrefix(f.Sort, "-")], 1
	if strings.HasPrefix(f.Sort, "-") {
		sign = -1
	}
	slices.SortStableFunc(picked, func(a, b uint32) int {
		return sign * key(c.Buckets, ondisk.Bucket(a), ondisk.Bucket(b))
	})
	return func(yield func(ondisk.Bucket) bool) {
		for _, b := range picked {
			if !yield(ondisk.Bucket(b)) {
				return
			}
		}
	}
}

func (c *Cache) passes(f Filter, b ondisk.Bucket) bool {
	t := c.Buckets
	return (len(f.Marks) == 0 || slices.Contains(f.Marks, t.Mark(b))) &&
		(f.Inode < 0 || slices.Contains(t.Inodes(b), uint32(f.Inode))) &&
		(f.GenAbove < 0 || int(t.Gen(b)) > f.GenAbove)
}

// PrioRow is one set of the prio chain.
type PrioRow struct {
	Set         int           `json:"set"`
	Bucket      ondisk.Bucket `json:"bucket"`
	Seq         Maybe[uint64] `json:"seq"`
	Next        Maybe[uint64] `json:"next_bucket"`
	Csum        string        `json:"csum"` // ok or bad
	First       ondisk.Bucket `json:"first_bucket"`
	Last        ondisk.Bucket `json:"last_bucket"`
	GensDiffer  Maybe[int]    `json:"gens_differ"`  // from those that pointers imply
	PriosDiffer Maybe[int]    `json:"prios_differ"` // from those that marks imply
	Error       string        `json:"error"`
}

// PrioRows returns the chain.
func (c *Cache) PrioRows() (rows []PrioRow) {
	known := c.Known()
	for i, l := range c.Chain.Links {
		head := l.Err == nil || l.Seq > 0 // of one whose checksum alone is wrong the numbers are shown as they are
		r := PrioRow{
			Set: i, Bucket: l.Bucket, Seq: If(head, l.Seq), Next: If(head, uint64(l.Next)), Csum: "ok",
			First: l.First, Last: l.First + ondisk.Bucket(l.Count) - 1,
		}
		if l.Err != nil {
			r.Csum, r.Error = "bad", l.Err.Error()
			rows = append(rows, r)
			continue
		}
		r.GensDiffer, r.PriosDiffer = If(known.Tree && known.Journal, 0), If(known.Tree && known.Journal, 0)
		for b := r.First; b <= r.Last; b++ {
			if c.Buckets.Gen(b) != c.Buckets.DiskGen(b) {
				r.GensDiffer.Value++
			}
			if c.Buckets.registeredPrio(b) != c.Buckets.Prio(b) {
				r.PriosDiffer.Value++
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// PrioChange is a bucket whose entry in the prio chain changes.
type PrioChange struct {
	Bucket  ondisk.Bucket `json:"bucket"`
	OldGen  uint8         `json:"old_gen"`
	Gen     uint8         `json:"gen"`
	OldPrio uint16        `json:"old_prio"`
	Prio    uint16        `json:"prio"`
	Mark    string        `json:"mark"`
}
