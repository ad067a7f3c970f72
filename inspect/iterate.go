// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"iter"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// Nodes yields the nodes of the tree that are live, as far as they can be read: level by level, the root first, each
// level in order. A node, with its bsets (Node.Sets) and their keys (Node.All), is valid until the next. An error ends
// it: the context's.
func (c *Cache) Nodes() iter.Seq2[*btree.Node, error] {
	return func(yield func(*btree.Node, error) bool) {
		rd := btree.NewReader(c.r, &c.Geo, func(finding.Finding) {}) // the first walk reported
		for i, level := range append(append([][]child{}, c.Tree.above...), c.Tree.leaves) {
			for _, n := range level {
				if err := c.ctx.Err(); err != nil {
					yield(nil, err)
					return
				}
				if !yield(rd.Read(n.key(), len(c.Tree.above)-i), nil) {
					return
				}
			}
		}
	}
}

// Entries yields the live journal entries as replay goes through them, oldest first. An error is that of one entry, of
// which comes what could be read: nil, or the keys before one that does not parse.
func (c *Cache) Entries() iter.Seq2[*ondisk.Jset, error] {
	return func(yield func(*ondisk.Jset, error) bool) {
		if c.Journal == nil {
			return
		}
		for _, e := range c.Journal.Live {
			if !yield(c.Journal.Read(e)) {
				return
			}
		}
	}
}

// Node reads the live node that stands in a bucket, whatever its level; what is wrong with it goes to sink. It is nil
// where none of the tree stands there.
func (c *Cache) Node(b ondisk.Bucket, sink finding.Sink) *btree.Node {
	for i, level := range append(append([][]child{}, c.Tree.above...), c.Tree.leaves) {
		for _, n := range level {
			if c.Geo.BucketOf(n.ptr.Offset()) == b {
				return btree.NewReader(c.r, &c.Geo, sink).Read(n.key(), len(c.Tree.above)-i)
			}
		}
	}
	return nil
}

// NodeKeys yields the keys that lead to the nodes of Nodes, each with its level, and reads none of them.
func (c *Cache) NodeKeys() iter.Seq2[int, ondisk.Bkey] {
	return func(yield func(int, ondisk.Bkey) bool) {
		for i, level := range append(append([][]child{}, c.Tree.above...), c.Tree.leaves) {
			for _, n := range level {
				if !yield(len(c.Tree.above)-i, n.key()) {
					return
				}
			}
		}
	}
}

// InOrder reports whether the leaves come in order and hold nothing behind their ends.
func (t *Tree) InOrder() bool { return !t.loose }
