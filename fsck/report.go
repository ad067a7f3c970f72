// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// The results of a check, for scripts.
const (
	Clean   = "clean"   // no damage; there may be warnings
	Damaged = "damaged" // the kernel refuses it, crashes on it, or loses data over it
)

// The same for people. Clean is the word for a backing device's state.
const (
	NoDamage   = "no damage"
	NotChecked = "not checked" // no damage was seen, but not all could be looked at
)

// Report is what a check found.
type Report struct {
	Device   string
	Given    []string // the backing devices that were given with it
	Type     string   // cache or backing
	Result   string
	Complete bool // everything could be read
	Findings []finding.Finding
	Devices  []Pairing     // of a cache: who belongs to its volumes
	Backing  *BackingState // of a backing device that is checked alone
	Verified *Verified     // nil where nobody asked for a comparison
	Summary  *Summary      // nil for a backing device

	cache *inspect.Cache
}

// TakeCache hands out the cache as the check read it, once: it is large, and a report that is kept should not hold it.
// It is nil where there was none to read.
func (r *Report) TakeCache() *inspect.Cache {
	c := r.cache
	r.cache = nil
	return c
}

// BackingState is what a backing device says of itself.
type BackingState struct {
	State   string  `json:"state"`
	Mode    string  `json:"mode"`
	UUID    string  `json:"uuid"`
	SetUUID *string `json:"set_uuid"` // nil where it is not attached
	Label   string  `json:"label"`
	Means   string  `json:"means"` // for whoever wants to use it
}

func (c *checker) report() *Report {
	r := &Report{
		Device: c.dev.Name, Type: "cache", Result: Clean, Complete: true,
		Findings: c.found.Findings(), Verified: c.verified,
	}
	for _, b := range c.backing {
		r.Given = append(r.Given, b.Name)
	}
	if c.found.Damaged() || r.Verified != nil && r.Verified.DifferExtents > 0 { // the comparison was asked for
		r.Result = Damaged
	}
	if c.super.IsBacking() {
		r.Type, r.Backing = "backing", stateOf(c.super)
		return r
	}
	r.cache = c.c
	r.Devices = c.pairings()
	r.Summary = Summarize(c.c)
	r.Complete = r.Summary.Complete()
	for i := range r.Summary.Volumes {
		r.Summary.Volumes[i].SavedSectors = c.saved[r.Summary.Volumes[i].Inode]
	}
	return r
}

func stateOf(s *ondisk.Super) *BackingState {
	b := &BackingState{State: s.State().String(), Mode: s.CacheMode().String(), UUID: s.UUID.String(), Label: superblock.Label(s.Label)}
	set := "of a set that it does not name"
	if !s.SetUUID.IsZero() {
		text := s.SetUUID.String()
		b.SetUUID, set = &text, text
	}
	switch s.State() {
	case ondisk.StateNone:
		b.Means = "no cache holds data of it: it can be used alone"
	case ondisk.StateClean:
		b.Means = "it holds all its data; written to without its cache " + set + ", it would be served older data by that"
	case ondisk.StateDirty:
		b.Means = "its cache " + set + " holds data that it lacks; do not use it alone"
	case ondisk.StateStale:
		b.Means = "it was used without its cache " + set + ", which held data that it lacked; the kernel drops those at the next registration"
	}
	return b
}

// Word is the verdict in a word.
func (r *Report) Word() string {
	switch {
	case r.Result == Damaged:
		return Damaged
	case !r.Complete:
		return NotChecked
	}
	return NoDamage
}
