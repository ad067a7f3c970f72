// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"fmt"
	"strings"
)

// A reason why a record is no request.
type reason uint8

const (
	flushes reason = iota
	empty
	passThrough
	otherCommands
	cutShort
	noEvents
	reasons
)

// reasonNames are one and many of each.
var reasonNames = [reasons][2]string{
	flushes:       {"flush, which moves no data", "flushes, which move no data"},
	empty:         {"request of length 0", "requests of length 0"},
	passThrough:   {"pass-through request", "pass-through requests"},
	otherCommands: {"command that neither reads nor writes", "commands that neither read nor write"},
	cutShort:      {"%s cut short", "%ss cut short"},
	noEvents:      {"%s that is no event", "%ss that are no events"},
}

// A Skip is how many records of a kind were passed over.
type Skip struct {
	Why   string `json:"why"`
	Count int64  `json:"count"`
	First int64  `json:"first"` // the number of the first, from 1
	Unit  string `json:"unit"`  // what is counted: "line" or "record"
	Name  string `json:"-"`     // of the source that has the first; "" where there is one source only
}

// skips counts them.
type skips [reasons]Skip

func (s *skips) add(why reason, at int64, unit, name string) {
	e := &s[why]
	if e.Count++; e.Count == 1 {
		e.First, e.Unit, e.Name = at, unit, name
	}
}

// skip passes over the record at hand.
func (r *Reader) skip(why reason) { r.skipped.add(why, r.record, r.unit, r.sourceName()) }

// Skipped is what was passed over so far, and why, one entry a reason. Records that belong to a request already
// handed out (blkparse tells each several times) are not in it.
func (r *Reader) Skipped() []Skip {
	var list []Skip
	for why, s := range r.skipped {
		if s.Count == 0 {
			continue
		}
		s.Why = reasonNames[why][min(s.Count-1, 1)]
		if strings.Contains(s.Why, "%s") {
			s.Why = fmt.Sprintf(s.Why, s.Unit)
		}
		list = append(list, s)
	}
	return list
}

// SkipText is a list of skips in a sentence: "12 flushes, which move no data; 1 line cut short (line 88)". "" if there
// are none.
func SkipText(list []Skip) string {
	var parts []string
	for _, s := range list {
		first := "first "
		if s.Count == 1 {
			first = ""
		}
		if s.Name != "" {
			first = s.Name + ": " + first
		}
		parts = append(parts, fmt.Sprintf("%d %s (%s%s %d)", s.Count, s.Why, first, s.Unit, s.First))
	}
	return strings.Join(parts, "; ")
}
