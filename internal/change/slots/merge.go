// SPDX-License-Identifier: GPL-2.0-only

package slots

import (
	"bytes"
	"io"
	"iter"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
)

// Prefer says which data stay where old and new ones of the same sectors differ.
type Prefer uint8

const (
	PreferNeither Prefer = iota // it is refused
	PreferOld                   // those that were dirty when the device was detached
	PreferNew                   // those that came since it was attached again
	PreferDirty                 // the newer ones where they are dirty; clean ones may have been read since, and be the older
)

// A Conflict is a run of sectors of which the cache holds old dirty data and newer ones that differ.
type Conflict struct {
	Piece                   // its inode is the new one's
	Differing ondisk.Sector `json:"differing_sectors"`
	NewDirty  bool          `json:"new_dirty"` // the newer data stand on the cache alone as well
}

// merged yields the keys of inode to, with the dirty ones of inode from among them, in order. Where both have data the
// newer ones stay if they are the same, or as prefer says; conflict is told of each run that differs. from's clean keys
// are left out: the backing device was written to without them.
func merged(c *inspect.Cache, from, to uint32, prefer Prefer, conflict func(Conflict)) keyStream {
	return func(yield func(*ondisk.Bkey, error) bool) {
		dirty := func(k *ondisk.Bkey) bool { return k.Dirty() }
		all := func(*ondisk.Bkey) bool { return true }
		old, stopOld := iter.Pull2(live(c, inspect.OfVolume(from), dirty))
		defer stopOld()
		young, stopYoung := iter.Pull2(live(c, inspect.OfVolume(to), all))
		defer stopYoung()
		m := merger{c: c, to: to, prefer: prefer, conflict: conflict, yield: yield}
		m.old.next, m.young.next = old, young
		if err := m.run(); err != nil {
			yield(nil, err)
		}
	}
}

// A head is the next key of a stream, or what is left of it.
type head struct {
	next func() (*ondisk.Bkey, error, bool)
	key  ondisk.Bkey
	ok   bool
}

func (h *head) advance() error {
	k, err, ok := h.next()
	if h.ok = ok && err == nil; h.ok {
		h.key = *k
	}
	return err
}

// cut is the front of the key up to end; the rest is left.
func (h *head) cut(end ondisk.Sector) (front ondisk.Bkey, err error) {
	front = h.key
	if end == h.key.Offset() {
		return front, h.advance()
	}
	front.CutBack(end)
	h.key.CutFront(end)
	return front, nil
}

type merger struct {
	c          *inspect.Cache
	to         uint32
	prefer     Prefer
	conflict   func(Conflict)
	yield      func(*ondisk.Bkey, error) bool
	old, young head
	a, b       []byte
}

// run sweeps over both streams at once.
func (m *merger) run() error {
	if err := m.old.advance(); err != nil {
		return err
	}
	if err := m.young.advance(); err != nil {
		return err
	}
	for m.old.ok || m.young.ok {
		k, err := m.step()
		if err != nil {
			return err
		}
		k.SetInode(m.to)
		if !m.yield(&k, nil) {
			return nil
		}
	}
	return nil
}

// step is the next key of the result.
func (m *merger) step() (ondisk.Bkey, error) {
	o, y := &m.old, &m.young
	switch {
	case !y.ok || o.ok && o.key.Offset() <= y.key.Start():
		return o.cut(o.key.Offset())
	case !o.ok || y.key.Offset() <= o.key.Start():
		return y.cut(y.key.Offset())
	case o.key.Start() < y.key.Start():
		return o.cut(y.key.Start())
	case y.key.Start() < o.key.Start():
		return y.cut(o.key.Start())
	}
	end := min(o.key.Offset(), y.key.Offset())
	was, err := o.cut(end)
	if err != nil {
		return was, err
	}
	is, err := y.cut(end)
	if err != nil {
		return is, err
	}
	n, err := m.differing(&was, &is)
	if err != nil || n == 0 {
		return is, err
	}
	m.conflict(Conflict{Piece{m.to, is.Start(), is.Size()}, n, is.Dirty()})
	if m.prefer == PreferOld || m.prefer == PreferDirty && !is.Dirty() {
		return was, nil
	}
	return is, nil
}

// differing counts the sectors in which two keys of one size differ, on the cache.
func (m *merger) differing(x, y *ondisk.Bkey) (n ondisk.Sector, err error) {
	r := m.c.Reader()
	if m.a, err = readInto(r, m.a, x); err != nil {
		return 0, err
	}
	if m.b, err = readInto(r, m.b, y); err != nil {
		return 0, err
	}
	const sector = ondisk.SectorBytes
	for i := 0; i < len(m.a); i += sector {
		if !bytes.Equal(m.a[i:i+sector], m.b[i:i+sector]) {
			n++
		}
	}
	return n, nil
}

func readInto(r io.ReaderAt, b []byte, k *ondisk.Bkey) ([]byte, error) {
	n := int(k.Size().Bytes())
	if cap(b) < n {
		b = make([]byte, n)
	}
	return b[:n], full.ReadAt(r, b[:n], k.Ptr[0].Offset().Bytes())
}
