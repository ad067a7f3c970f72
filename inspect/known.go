// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"encoding/json"
	"fmt"
	"slices"

	"bctl/internal/finding"
)

// Known says which parts of a cache could be read whole. What follows from a part that could not is unknown, and must
// not be shown as zero.
type Known struct {
	Journal bool // every live entry: without one, keys are missing that it held
	Tree    bool // every node from the root down
	Gens    bool // of every bucket: without them a stale pointer looks live
	Names   bool // the uuid bucket: which volume an inode is
}

// Counts reports whether what is live and dirty is known.
func (k Known) Counts() bool { return k.Journal && k.Tree && k.Gens }

// Words is a count as people read it: all there is, or as much as could be seen. Without gens more may look live than is.
func (k Known) Words(n uint64) string {
	switch {
	case k.Counts():
		return fmt.Sprint(n)
	case n == 0:
		return "unknown"
	case k.Tree && k.Journal:
		return fmt.Sprintf("unknown, at most %d", n)
	}
	return fmt.Sprintf("at least %d", n)
}

// All reports whether everything is known.
func (k Known) All() bool { return k.Counts() && k.Names }

// lostKeys are the findings that leave keys of the journal unknown.
var lostKeys = []finding.Code{
	finding.JRNone, finding.JRDamaged, finding.JRGap, finding.JRLost, finding.JRLastSeq, finding.JRTwice,
	finding.JROrder, finding.JRKeys, finding.JRUnread,
}

// watch is the sink, but notes what is lost of the journal, and a journal that nobody reads.
func (c *Cache) watch(sink finding.Sink) finding.Sink {
	return func(f finding.Finding) {
		if slices.Contains(lostKeys, f.Code) {
			c.journalLost.Store(true)
		}
		if f.Code == finding.SBSyncLost || f.Code == finding.SBSyncGone {
			c.syncLost.Store(true)
		}
		sink(f)
	}
}

// Known says what is known. A cache that was never registered holds nothing, and that is known.
func (c *Cache) Known() Known {
	switch {
	case c.Journal == nil:
		k := !c.syncLost.Load()
		return Known{k, k, k, k}
	case c.Journal.Newest == nil:
		return Known{}
	}
	return Known{
		Journal: !c.journalLost.Load(),
		Tree:    c.Tree.Intact && len(c.Tree.holes) == 0,
		Gens:    c.Chain.Intact,
		Names:   c.UUIDs != nil && !c.namesLost,
	}
}

// Maybe is a value that may be unknown: null in JSON, and "unknown" for people.
type Maybe[T any] struct {
	Value T
	Known bool
}

// If is v where it is known.
func If[T any](known bool, v T) Maybe[T] { return Maybe[T]{v, known} }

func (m Maybe[T]) String() string {
	if !m.Known {
		return "unknown"
	}
	return fmt.Sprint(m.Value)
}

// MarshalJSON is the value, or null.
func (m Maybe[T]) MarshalJSON() ([]byte, error) {
	if !m.Known {
		return []byte("null"), nil
	}
	return json.Marshal(m.Value)
}
