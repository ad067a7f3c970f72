// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"bctl/internal/bcache/ondisk"
)

// A bucket's owners word is 0 for none, inode+1 for one inode, manyOwners plus the index of a set of a few, or ownList
// plus the index of a list that is the bucket's alone. Most buckets have one; the different small sets are few, so
// each is kept once. Large ones are kept a bucket each, so that no more inodes are kept than there are extents.
const (
	manyOwners = 1 << 31
	ownList    = manyOwners | 1<<30
	fewOwners  = 4
)

type ownerSets struct {
	mu    sync.Mutex
	sets  [][]uint32
	index map[string]uint32
	lists [][]uint32
	steps map[uint64]uint32 // what with has answered, by its arguments, but for lists
}

// own notes that b holds live data of inode.
func (t *Buckets) own(b ondisk.Bucket, inode uint32) {
	for {
		w := atomic.LoadUint32(&t.of[b].owners)
		if w == inode+1 {
			return
		}
		next := inode + 1
		if w != 0 {
			next = t.sets.with(w, inode)
		}
		if next == w || atomic.CompareAndSwapUint32(&t.of[b].owners, w, next) {
			return
		}
	}
}

// with is the word of w's inodes and one more.
func (s *ownerSets) with(w, inode uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := uint64(w)<<32 | uint64(inode)
	if next, ok := s.steps[step]; ok {
		return next
	}
	next := s.find(w, inode)
	if next&ownList != ownList {
		if s.steps == nil {
			s.steps = map[uint64]uint32{}
		}
		s.steps[step] = next
	}
	return next
}

// find is with, where it was not asked before.
func (s *ownerSets) find(w, inode uint32) uint32 {
	inodes := s.inodes(w)
	at, there := slices.BinarySearch(inodes, inode)
	switch {
	case there:
		return w
	case w&ownList == ownList:
		s.lists[w&^ownList] = slices.Insert(inodes, at, inode)
		return w
	}
	inodes = slices.Insert(slices.Clone(inodes), at, inode)
	if len(inodes) > fewOwners {
		s.lists = append(s.lists, inodes)
		return ownList | uint32(len(s.lists)-1)
	}
	key := fmt.Sprint(inodes)
	if i, ok := s.index[key]; ok {
		return manyOwners | i
	}
	if s.index == nil {
		s.index = map[string]uint32{}
	}
	i := uint32(len(s.sets))
	s.sets, s.index[key] = append(s.sets, inodes), i
	return manyOwners | i
}

func (s *ownerSets) inodes(w uint32) []uint32 {
	switch {
	case w == 0:
		return nil
	case w&manyOwners == 0:
		return []uint32{w - 1}
	case w&ownList == ownList:
		return s.lists[w&^ownList]
	}
	return s.sets[w&^manyOwners]
}

// Inodes returns the inodes with live data in b, in order; none from a small table.
func (t *Buckets) Inodes(b ondisk.Bucket) []uint32 {
	if t.small != nil {
		return nil
	}
	t.sets.mu.Lock()
	defer t.sets.mu.Unlock()
	return slices.Clone(t.sets.inodes(t.of[b].owners)) // a list may still grow
}

// Owner says what b is used for: superblock, journal, prio, uuid, btree level N, or the inodes of its data.
func (t *Buckets) Owner(b ondisk.Bucket) string {
	switch f := t.at(b).flags; {
	case f&flagSuper != 0:
		return "superblock"
	case f&flagJournal != 0:
		return "journal"
	case f&flagPrio != 0:
		return "prio"
	case f&flagUUID != 0:
		return "uuid"
	case f&flagNode != 0:
		return fmt.Sprintf("btree level %d", f&levelMask>>levelShift)
	}
	switch inodes := t.Inodes(b); len(inodes) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("inode %d", inodes[0])
	default:
		return "inodes " + strings.Trim(fmt.Sprint(inodes), "[]")
	}
}
