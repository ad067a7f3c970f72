// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sort"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// bad is the extents that checks called damaged, each with its code. It grows by some forty bytes for each.
type bad struct {
	mu    sync.Mutex
	codes map[badKey]uint8
	names []finding.Code
	ends  []ondisk.Pos // sorted where sorted
	done  bool         // ends is sorted
}

// badKey tells an extent: of its pointers, of which there is one, the first is enough.
type badKey struct{ high, low, ptr uint64 }

func keyOf(k *ondisk.Bkey) badKey { return badKey{k.High, k.Low, uint64(k.Ptr[0])} }

// key is the extent, with its first pointer.
func (k badKey) key() ondisk.Bkey {
	out := ondisk.Bkey{High: k.high, Low: k.low}
	out.Ptr[0] = ondisk.Ptr(k.ptr)
	return out
}

// add is a finding.Sink.
func (b *bad) add(f finding.Finding) {
	e, ok := f.Subject.(finding.Extent)
	if !ok || f.Severity != finding.Damage || f.Code == finding.BTMissing { // a legal state that was named comes as damage
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(keyOf(&e.Key), f.Code)
}

func (b *bad) note(k badKey, code finding.Code) {
	i := slices.Index(b.names, code)
	if i < 0 {
		i = len(b.names)
		b.names = append(b.names, code)
	}
	if b.codes == nil {
		b.codes = map[badKey]uint8{}
	}
	if _, known := b.codes[k]; !known {
		key := ondisk.Bkey{High: k.high, Low: k.low}
		b.ends, b.done = append(b.ends, key.Pos()), false
	}
	b.codes[k] = uint8(i)
}

// merge adds all of another.
func (b *bad) merge(o *bad) {
	for k, i := range o.codes {
		b.note(k, o.names[i])
	}
}

// of is the code of an extent that is bad.
func (b *bad) of(k *ondisk.Bkey) (finding.Code, bool) {
	if len(b.codes) == 0 {
		return "", false
	}
	i, ok := b.codes[keyOf(k)]
	if !ok {
		return "", false
	}
	return b.names[i], true
}

// in reports whether a bad extent ends in r, or at its end.
func (b *bad) in(r inspect.Range) bool {
	if !b.done {
		slices.SortFunc(b.ends, ondisk.Pos.Compare)
		b.done = true
	}
	i := sort.Search(len(b.ends), func(i int) bool { return b.ends[i].Compare(r.From) > 0 })
	return i < len(b.ends) && b.ends[i].Compare(r.To) <= 0
}
