// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"container/list"
	"slices"
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
}

// kept is a leaf in memory.
type kept struct {
	i     int
	leaf  leaf
	err   error
	bytes int64
	once  sync.Once
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
		leaf, err := l.leaf(i)
		if err != nil {
			return err
		}
		if !m.leaf(leaf) {
			break
		}
	}
	if more {
		m.rest()
	}
	return nil
}

// leaf reads leaf i, or takes it from memory. Two who want the same leaf read it once.
func (l *Lookup) leaf(i int) (*leaf, error) {
	l.mu.Lock()
	el, ok := l.leaves[i]
	if ok {
		l.used.MoveToFront(el)
	} else {
		el = l.used.PushFront(&kept{i: i})
		l.leaves[i] = el
	}
	k := el.Value.(*kept)
	l.mu.Unlock()
	k.once.Do(func() { l.read(k) })
	return &k.leaf, k.err
}

func (l *Lookup) read(k *kept) {
	rd := l.reader()
	got, err := rd.again(k.i)
	k.err = err
	if err == nil {
		k.leaf = leaf{got.bytesUsed(), slices.Clone(got.left), got.partial}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = append(l.spare, rd)
	if err != nil { // the next one tries again
		l.drop(l.leaves[k.i])
		return
	}
	k.bytes = 1 + int64(len(k.leaf.keys)) + int64(cap(k.leaf.left))*int64(unsafe.Sizeof(btree.Piece{}))
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

// bytesUsed is a copy of the keys up to the last that a piece needs.
func (l *leaf) bytesUsed() btree.Keys {
	end := 0
	for _, p := range l.left {
		end = max(end, int(p.At))
	}
	return slices.Clone(l.keys[:min(len(l.keys), end+maxKeyBytes)])
}

const maxKeyBytes = 64 // of six pointers
