// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"bctl/inspect"
	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/hint"
	"bctl/superblock"
)

// Evidence is what a device holds of bcache that formatting it destroys.
type Evidence struct {
	Kind    string        `json:"kind"` // cache, backing, or journal: of the same set, without a superblock
	UUID    string        `json:"uuid,omitempty"`
	SetUUID string        `json:"set_uuid"`
	Label   string        `json:"label"`
	State   string        `json:"state,omitempty"` // of a backing device
	Dirty   []DirtyVolume `json:"dirty"`           // what nobody else has
	// Unknown says why there may be more dirty data than can be counted.
	Unknown string `json:"unknown,omitempty"`

	journal bool // it has one of its set
}

// DirtyVolume is the dirty data of one volume in a cache.
type DirtyVolume struct {
	Inode   uint32        `json:"inode"`
	UUID    *string       `json:"uuid"`
	Label   string        `json:"label"`
	Sectors ondisk.Sector `json:"dirty_sectors"`
}

// Data says which data are lost with the device, or nothing.
func (e *Evidence) Data() string {
	var parts []string
	for _, v := range e.Dirty {
		name := fmt.Sprintf("volume %d", v.Inode)
		if v.UUID != nil {
			name += " " + *v.UUID
		}
		if v.Label != "" {
			name += fmt.Sprintf(" %q", v.Label)
		}
		parts = append(parts, fmt.Sprintf("%d KiB of %s", v.Sectors.Bytes()/1024, name))
	}
	switch {
	case e.State == ondisk.StateDirty.String():
		return "its state is dirty: the cache of set " + e.SetUUID + " holds data that it lacks"
	case len(parts) > 0 && e.Unknown != "":
		return "at least " + strings.Join(parts, ", ") + " is dirty and stands nowhere else"
	case len(parts) > 0:
		return strings.Join(parts, ", ") + " is dirty and stands nowhere else"
	case e.Unknown != "":
		return "whether it holds dirty data is unknown: " + e.Unknown
	}
	return ""
}

// String is the device in one line.
func (e *Evidence) String() string {
	if e.Kind == journalKind {
		return "the journal of a cache of set " + e.SetUUID
	}
	names := fmt.Sprintf("uuid %s, set %s", e.UUID, e.SetUUID)
	if e.Label != "" {
		names += fmt.Sprintf(", label %q", e.Label)
	}
	return fmt.Sprintf("bcache %s device (%s)", e.Kind, names)
}

const journalKind = "journal"

// evidence looks for what is bcache's on r, that is going to have the superblock s: nil where there is nothing. sameSet
// says that s belongs to a set that may have been here before. Errors: r's, the context's.
func evidence(ctx context.Context, r io.ReaderAt, size int64, s *ondisk.Super, sameSet bool) (*Evidence, error) {
	old, err := superblock.Read(r)
	if err != nil && !errors.Is(err, superblock.ErrNotBcache) {
		return nil, err
	}
	if old == nil {
		if s == nil || s.IsBacking() || !sameSet {
			return nil, nil // a new set cannot meet an old journal
		}
		stale, err := superblock.OldJournal(r, s)
		if err != nil || !stale {
			return nil, err
		}
		e := &Evidence{Kind: journalKind, SetUUID: s.SetUUID.String(), Dirty: []DirtyVolume{}, journal: true}
		return e, e.count(ctx, r, size, s)
	}
	e := &Evidence{
		Kind: "cache", UUID: old.UUID.String(), SetUUID: old.SetUUID.String(), Label: superblock.Label(old.Label), Dirty: []DirtyVolume{},
		journal: s != nil && sameSet && old.SetUUID == s.SetUUID,
	}
	if old.IsBacking() {
		e.Kind, e.State, e.journal = "backing", old.State().String(), false
		return e, nil
	}
	return e, e.count(ctx, r, size, old)
}

// count finds the dirty data of the cache that s is, or was once, the superblock of.
func (e *Evidence) count(ctx context.Context, r io.ReaderAt, size int64, s *ondisk.Super) error {
	var found finding.Collector
	read := func(s *ondisk.Super) (*inspect.Cache, error) {
		found = finding.Collector{}
		c, err := inspect.Open(ctx, r, s, inspect.Options{Size: size, Sink: found.Add})
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			e.Unknown = err.Error()
		}
		return c, nil
	}
	c, err := read(s)
	if err != nil {
		return err
	}
	if c != nil && c.Journal == nil { // never registered, or its superblock was made anew over a cache that was
		anew := *s
		newset.Register(&anew, 0)
		if c, err = read(&anew); err != nil || c == nil || c.Journal == nil || c.Journal.Newest == nil {
			e.Unknown = ""
			return err
		}
	}
	if c == nil {
		return nil
	}
	for _, f := range found.Findings() {
		if f.Severity == finding.Damage && e.Unknown == "" {
			e.Unknown = fmt.Sprintf("%s %s", f.Code, f.Message)
		}
	}
	for _, v := range c.Volumes {
		if v.DirtySectors > 0 {
			e.Dirty = append(e.Dirty, DirtyVolume{v.Inode, v.UUID(), v.Label(), v.DirtySectors})
		}
	}
	return nil
}

// refuse is the refusal of a device that holds e, unless it was asked for.
func (o *FormatOptions) refuse(e *Evidence) error {
	if e == nil {
		return nil
	}
	data := e.Data()
	needData := data != "" && !o.DiscardDirty
	what := "it is a " + strings.Replace(e.String(), "device (", "device already (", 1)
	if e.Kind == journalKind {
		what = "it holds " + e.String() + ", which has lost its superblock"
	}
	switch {
	case !o.WipeBcache && needData:
		return hint.Add(fmt.Errorf("%s: %s", what, data), "use --wipe-bcache to overwrite it, and --discard-dirty to give the data up")
	case !o.WipeBcache:
		return hint.Add(errors.New(what), "use --wipe-bcache to overwrite it")
	case needData:
		return hint.Add(fmt.Errorf("%s: %s", what, data), "use --discard-dirty to give the data up")
	}
	return nil
}
