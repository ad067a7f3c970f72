// SPDX-License-Identifier: GPL-2.0-only

// Package finding is what bctl can find wrong with a device: one table of codes, and the findings that name one
// at a place. Whoever reads a structure reports to a Sink; how bad a code is stands in the table alone.
package finding

import (
	"cmp"
	"fmt"
	"sort"
	"sync"

	"bctl/internal/bcache/ondisk"
)

// Severity says what a finding means for the data. Only Damage makes fsck exit 4.
type Severity string

const (
	Note    Severity = "note"    // worth knowing
	Warning Severity = "warning" // legal, but look at it: a crash leaves such things, and so does damage
	Damage  Severity = "damage"  // the kernel refuses it, crashes on it, or loses data over it
)

// Code names a row of the table. Scripts match on it: it is never reused.
type Code string

// A Finding is a code at a place. The fields that do not apply are nil; they come from the subject.
type Finding struct {
	Code          Code     `json:"code"`
	Severity      Severity `json:"severity"`
	Message       string   `json:"message"`
	Device        string   `json:"device,omitempty"` // of a backing device's findings
	Bucket        *uint64  `json:"bucket,omitempty"`
	Sector        *uint64  `json:"sector,omitempty"` // on the cache device
	Inode         *uint64  `json:"inode,omitempty"`
	OffsetSectors *uint64  `json:"offset_sectors,omitempty"` // in the volume
	Sectors       *uint64  `json:"sectors,omitempty"`
	Subject       Subject  `json:"subject,omitempty"` // nil for the device as a whole
}

// Sink takes findings, from any goroutine.
type Sink func(Finding)

// About is a finding of code c about s: its place, then what is wrong there.
func About(s Subject, c Code, format string, args ...any) Finding {
	f := New(c, format, args...).With(s)
	if place := s.Place(); place != "" {
		f.Message = place + ": " + f.Message
	}
	return f
}

// With says what a finding is about whose message names the place in words of its own.
func (f Finding) With(s Subject) Finding {
	f.Subject = s
	s.locate(&f)
	return f
}

// Range says which sectors of its volume a finding is about.
func (f Finding) Range(offset, sectors ondisk.Sector) Finding {
	f.OffsetSectors, f.Sectors = ptr(offset), ptr(sectors)
	return f
}

// New is a finding of code c about the device as a whole.
func New(c Code, format string, args ...any) Finding {
	return Finding{Code: c, Severity: Lookup(c).Severity, Message: fmt.Sprintf(format, args...)}
}

func ptr[T ~uint32 | ~uint64](v T) *uint64 {
	u := uint64(v)
	return &u
}

// keep is how many findings of one code are kept with their places: the first ones by place. The rest are counted.
const keep = 10000

// Collector gathers findings from all goroutines. Its zero value is ready.
type Collector struct {
	mu    sync.Mutex
	found map[Code][]Finding // up to 2*keep
	count map[Code]int
}

// Add is a Sink.
func (c *Collector) Add(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.found, c.count = map[Code][]Finding{}, map[Code]int{}
	}
	c.count[f.Code]++
	fs := append(c.found[f.Code], f)
	if len(fs) == 2*keep { // not at each one: sorting half of them anew costs little so
		fs = firstPlaces(fs)
	}
	c.found[f.Code] = fs
}

// firstPlaces sorts fs and leaves those that are kept.
func firstPlaces(fs []Finding) []Finding {
	sort.SliceStable(fs, func(i, j int) bool { return comparePlaces(&fs[i], &fs[j]) < 0 })
	return fs[:min(len(fs), keep)]
}

func comparePlaces(a, b *Finding) int {
	return cmp.Or(comparePtr(a.Bucket, b.Bucket), comparePtr(a.Sector, b.Sector), comparePtr(a.Inode, b.Inode),
		comparePtr(a.OffsetSectors, b.OffsetSectors), comparePtr(a.Sectors, b.Sectors), cmp.Compare(a.Device, b.Device),
		cmp.Compare(a.Message, b.Message))
}

// Findings returns what was added, in the order of the table and of the places, whoever came first. Where a code
// was found too often to keep every place, its last finding says how many were left out.
func (c *Collector) Findings() (out []Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, part := range Table() {
		for _, r := range part {
			out = append(out, firstPlaces(c.found[r.Code])...)
			if more := c.count[r.Code] - keep; more > 0 {
				out = append(out, New(r.Code, "... and %d more of these", more))
			}
		}
	}
	return out
}

// Damaged reports whether damage was added.
func (c *Collector) Damaged() bool { return c.Count(Damage) > 0 }

// Count is how many findings of a severity were added, kept or not.
func (c *Collector) Count(s Severity) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for code, k := range c.count {
		if Lookup(code).Severity == s {
			n += k
		}
	}
	return n
}

func comparePtr(a, b *uint64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(*a, *b)
}
