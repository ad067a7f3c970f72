// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"container/list"
	"sync"
	"unsafe"

	"bctl/internal/bcache/btree"
)

// Lookup finds extents by their place, through the interior nodes that are in memory anyway. It keeps the leaves that
// it used last. Its methods may be called from several goroutines.
type Lookup struct {
	c   *Cache
	max int64 // bytes

	mu     sync.Mutex
	leaves map[int]*list.Element // of *kept
	used   *list.List            // the last used in front
	bytes  int64
	spare  []*leafReader
	old    []leaf // of which the memory can be used again
}

// kept is a leaf in memory.
type kept struct {
	i     int
	leaf  leaf
	err   error
	bytes int64
	once  sync.Once
	users int
	gone  bool // from the list: its memory goes with its last user
}

// Lookup starts one that keeps at most about so many bytes of leaves.
func (c *Cache) Lookup(bytes int64) *Lookup {
	return &Lookup{c: c, max: bytes, leaves: map[int]*list.Element{}, used: list.New()}
}

// Extents hands the pieces that Cache.Extents yields to visit, until that says no. Errors: the context's, ErrChanged.
func (l *Lookup) Extents(r Range, visit func(*Extent) bool) error {
	more := true
	m := l.c.merge(r, func(e *Extent) bool { more = visit(e); return more })
	first, last := l.c.leavesOf(r)
	for i := first; i < last; i++ {
		k := l.take(i)
		err := k.err
		on := err == nil && m.leaf(&k.leaf)
		if l.give(k); err != nil {
			return err
		}
		if !on {
			break
		}
	}
	if more {
		m.rest()
	}
	return nil
}

// take reads leaf i, or takes it from memory; give gives it back. Two who want the same leaf read it once.
func (l *Lookup) take(i int) *kept {
	l.mu.Lock()
	el, ok := l.leaves[i]
	if ok {
		l.used.MoveToFront(el)
	} else {
		el = l.used.PushFront(&kept{i: i})
		l.leaves[i] = el
	}
	k := el.Value.(*kept)
	k.users++
	l.mu.Unlock()
	k.once.Do(func() { l.read(k) })
	return k
}

func (l *Lookup) give(k *kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 && k.gone {
		l.reuse(k)
	}
}

// reuse keeps the memory of a leaf that nobody has any more.
func (l *Lookup) reuse(k *kept) {
	if len(l.old) < 4 {
		l.old = append(l.old, k.leaf)
	}
	k.leaf = leaf{}
}

// room is memory for a leaf.
func (l *Lookup) room() (r leaf) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.old); n > 0 {
		r = l.old[n-1]
		l.old = l.old[:n-1]
	}
	return r
}

func (l *Lookup) read(k *kept) {
	rd := l.reader()
	got, err := rd.again(k.i)
	k.err = err
	if err == nil {
		room := l.room()
		k.leaf = leaf{append(room.keys[:0], got.used()...), append(room.left[:0], got.left...), got.partial}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = append(l.spare, rd)
	if err != nil { // the next one tries again
		l.drop(l.leaves[k.i])
		return
	}
	k.bytes = 1 + int64(cap(k.leaf.keys)) + int64(cap(k.leaf.left))*int64(unsafe.Sizeof(btree.Piece{}))
	l.bytes += k.bytes
	for el := l.used.Back(); el != nil && l.bytes > l.max && el.Value != any(k); {
		next := el.Prev()
		if el.Value.(*kept).bytes > 0 { // it is read
			l.drop(el)
		}
		el = next
	}
}

func (l *Lookup) drop(el *list.Element) {
	if el != nil {
		k := l.used.Remove(el).(*kept)
		delete(l.leaves, k.i)
		l.bytes -= k.bytes
		if k.gone = true; k.users == 0 {
			l.reuse(k)
		}
	}
}

func (l *Lookup) reader() *leafReader {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.spare); n > 0 {
		rd := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return rd
	}
	return l.c.leafReader()
}

// used is the keys up to the last that a piece needs.
func (l *leaf) used() btree.Keys {
	end := 0
	for _, p := range l.left {
		end = max(end, int(p.At))
	}
	return l.keys[:min(len(l.keys), end+maxKeyBytes)]
}

const maxKeyBytes = 64 // of six pointers
