// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// adoptLeaf adopts from every extent that survives within its own node, checks that they lie within it, and hands them
// to m. It returns whether they are extents at all, and all there are.
func (c *Cache) adoptLeaf(n *btree.Node, lower ondisk.Pos, m *marker) branch {
	count := 0
	for _, s := range n.Sets {
		count += s.Count
	}
	c.Tree.LeafKeys.Add(int64(count))
	runs := m.plain(n)
	pieces, surviving := ends(runs), count
	if runs == nil {
		pieces = n.Extents()
		surviving = len(pieces)
	}
	c.Tree.Surviving.Add(int64(surviving))
	out := branch{fits: true, whole: n.Whole && !n.Cut, hides: runs == nil}
	if len(pieces) == 0 {
		return out
	}
	if out.fits = c.leafFits(n, pieces, lower); !out.fits {
		return out
	}
	m.take()
	defer m.leave()
	m.strange = false
	m.leaf(n, runs)
	out.hides = out.hides || m.strange
	return out
}

// leafFits reports whether a leaf's pieces, of which it looks at the first and the last, are extents, and judges whether
// they lie within it.
func (c *Cache) leafFits(n *btree.Node, pieces []btree.Piece, lower ondisk.Pos) bool {
	first, last := pieces[0], pieces[len(pieces)-1]
	if last.Inode == ondisk.MaxInode && last.End == ondisk.MaxKeyOffset {
		c.nodeFinding(n, finding.BTLevel, "it holds the keys of an interior node")
		return false
	}
	stray := false
	if end := (ondisk.Pos{Inode: last.Inode, Offset: last.End}); end.Compare(n.Key.Pos()) > 0 {
		c.nodeFinding(n, finding.BTShort, "its last extent ends at %v, the node at %v", end, n.Key.Pos())
		stray = true
	}
	if first.Inode < lower.Inode || first.Inode == lower.Inode && first.Start < lower.Offset {
		c.nodeFinding(n, finding.BTShort, "its first extent starts at %d:%d, the node before ends at %v", first.Inode, first.Start, lower)
		stray = true
	}
	if stray {
		c.Tree.stray(n.Extents(), lower, n.Key.Pos())
	}
	return true
}
