// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// A content is the extents of a leaf in their order: plain keys, and the others between them.
type content struct {
	lo, hi ondisk.Pos // where they begin and end
	some   bool       // there are any
	plain  []byte
	odd    []oddKey
	buf    []byte
}

// An oddKey is one that is no plain key, behind so many bytes of those.
type oddKey struct {
	behind int
	k      ondisk.Bkey
}

// read takes those of a node; it is good until the node's reader reads the next.
func (c *content) read(n *btree.Node) {
	*c = content{odd: c.odd[:0], buf: c.buf[:0]}
	if runs := n.Plain(); len(runs) == 1 && len(runs[0]) > 0 {
		c.plain, c.some = runs[0], true
		c.lo, c.hi = btree.PlainEnds(c.plain)
		return
	}
	all := n.Extents()
	if c.some = len(all) > 0; !c.some {
		return
	}
	c.lo, c.hi = startOf(&all[0]), endOf(&all[len(all)-1])
	for i := range all {
		p := &all[i]
		if n.Keys.IsPlain(p) {
			c.buf = append(c.buf, n.Keys[p.At:][:btree.PlainKey]...)
			continue
		}
		c.odd = append(c.odd, oddKey{behind: len(c.buf)})
		n.Keys.Key(*p, &c.odd[len(c.odd)-1].k)
	}
	c.plain = c.buf
}

// A sifter goes through the keys of leaves that nothing leads to. Those that lie as they should go to rows, not at once but
// by their buckets; any other to odd, behind all that came before it in its bucket.
type sifter struct {
	h    *harvest
	rows *inspect.Sorter // nil: all are odd
	odd  func(k *ondisk.Bkey)

	number int    // that the rows have; -1: their volume's inode
	inode  uint32 // of the last keys
	turned bool   // the rows are of inode
	odds   bool   // its keys are odd
}

func (h *harvest) sift(rows func(first ondisk.Bucket, rows []uint64), odd func(*ondisk.Bkey)) *sifter {
	return &sifter{h: h, rows: h.c.NewSorter(rows), odd: odd}
}

// leaf goes through one. Where it is not plain, all of its keys are odd.
func (s *sifter) leaf(c *content, plain bool) {
	s.turned = false
	at := 0
	for i := range c.odd {
		o := &c.odd[i]
		s.keys(c.plain[at:o.behind], plain)
		s.other(&o.k)
		at = o.behind
	}
	s.keys(c.plain[at:], plain)
}

// keys goes through plain ones.
func (s *sifter) keys(keys []byte, plain bool) {
	for len(keys) >= btree.PlainKey {
		if plain = plain && s.rows != nil; plain {
			if inode := inspect.PlainInode(keys); !s.turned || inode != s.inode {
				s.turn(inode)
			}
			if !s.odds {
				had := len(keys)
				keys = s.rows.Lay(keys)
				if len(keys) < btree.PlainKey || len(keys) < had && inspect.PlainInode(keys) != s.inode {
					continue
				}
			}
		}
		var k ondisk.Bkey
		_, _ = k.Decode(keys) // it is one
		s.other(&k)
		keys = keys[btree.PlainKey:]
	}
}

func (s *sifter) turn(inode uint32) {
	s.inode, s.turned = inode, true
	n := s.number
	if n < 0 {
		n = int(inode)
	}
	if s.odds = n >= inspect.Numbers || int(inode) >= s.h.c.Geo.NrUUIDs() || !s.h.named(inode) || s.h.stump != nil; s.odds {
		return
	}
	end, told := s.h.w.ends[inode]
	if !told {
		end = ondisk.MaxKeyOffset
	}
	s.rows.Turn(inode, end, n)
}

// other hands on an odd key.
func (s *sifter) other(k *ondisk.Bkey) {
	if s.rows != nil && k.Ptrs() > 0 {
		s.rows.Settle(s.h.c.Geo.BucketOf(k.Ptr[0].Offset()))
	}
	s.odd(k)
}

// empty is behind the last leaf: all rows are handed out.
func (s *sifter) empty() {
	if s.rows != nil {
		s.rows.Empty()
	}
}

// settle hands out all rows of a bucket.
func (s *sifter) settle(b ondisk.Bucket) {
	if s.rows != nil {
		s.rows.Settle(b)
	}
}

// fetch has the processor fetch what is known of a run of buckets, one after the other. It answers, or the compiler would
// fetch nothing.
//
//go:noinline
func (h *harvest) fetch(first ondisk.Bucket) (seen uint8) {
	const line = 64
	for b := first; b < min(first+inspect.RunBuckets, ondisk.Bucket(len(h.ground))); b += line {
		seen |= h.ground[b] | h.tx.Gen(b)
	}
	return seen
}
