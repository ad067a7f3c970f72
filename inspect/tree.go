// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/workers"
)

// Tree is the shape of the btree.
type Tree struct {
	Depth  int  // the root's level: 0 where it is a leaf
	Nodes  int  // of all levels
	Intact bool // every node could be read whole

	LeafKeys  atomic.Int64 // in all bsets of all leaves
	Surviving atomic.Int64 // pieces that newer keys of their leaf left

	holes  []Range // what is not known
	loose  bool    // a leaf may hold what lies outside of its range
	leaves []child
	above  [][]child                // the nodes of all other levels, the root first
	seqs   map[uint64]ondisk.Bucket // the first node of each
	mu     sync.Mutex
}

// child is the key of a node that is to be read. Multi-pointer keys do not reach it.
type child struct {
	high, low uint64
	ptr       ondisk.Ptr
	hides     bool // a leaf that holds more pointers than the bucket table tells of
}

func (c child) key() (k ondisk.Bkey) {
	k.High, k.Low, k.Ptr[0] = c.high, c.low, c.ptr
	return k
}

func (c child) pos() ondisk.Pos {
	k := c.key()
	return k.Pos()
}

// adopt walks the tree from the root down, checks every node and adopts the gens of all pointers. At the end every
// bucket's gen is what registration makes of it.
func (c *Cache) adopt(m *marker) error {
	c.Tree.seqs = map[uint64]ondisk.Bucket{}
	c.Tree.Depth = int(c.Journal.Newest.Level)
	root := &c.Journal.Newest.BtreeRoot.Bkey
	if journal.RootFault(&c.Geo, root) != "" || c.Tree.Depth > maxLevel {
		c.Tree.hole(Everything.From, Everything.To)
		return nil // reported with the journal entry
	}
	c.Tree.Intact = true
	level := []child{{high: root.High, low: root.Low, ptr: root.Ptr[0]}}
	replayed := false
	for l := c.Tree.Depth; l >= 0; l-- {
		if l == 0 && !c.journalMeets(c.Geo.BucketOf(root.Ptr[0].Offset())) {
			c.adoptJournal() // now, that the leaves' extents are judged by the last gens
			replayed = true
		}
		var err error
		if level, err = c.adoptLevel(l, level, m); err != nil {
			return err
		}
	}
	if p := root.Ptr[0]; c.Buckets.GenKnown(c.Geo.BucketOf(p.Offset())) {
		c.judgeRootGen(p)
	}
	if !replayed {
		c.adoptJournal()
	}
	c.Tree.settle()
	return nil
}

// maxLevel is far above what any device needs.
const maxLevel = 10

func (c *Cache) judgeRootGen(p ondisk.Ptr) {
	b := c.Geo.BucketOf(p.Offset())
	if stale := ondisk.GenAfter(c.Buckets.Gen(b), p.Gen()); stale > 0 {
		root := finding.Bucket{Bucket: b, Name: "btree root, bucket"}
		c.o.Sink(finding.About(root, finding.GNMetadata, "gen %d, the journal's pointer has %d", c.Buckets.Gen(b), p.Gen()))
	}
}

// branch is what a node's keys lead to.
type branch struct {
	keys  []ondisk.Bkey // of an interior node's children, newest bset first
	fits  bool          // they are keys of the node's level
	whole bool          // and all of them
	hides bool          // see child
	bad   []ondisk.Pos  // where keys that cannot be a child's end
}

// adoptLevel reads all nodes of a level and returns the live ones of the level below, in order.
func (c *Cache) adoptLevel(level int, nodes []child, m *marker) ([]child, error) {
	nodes, lowers := c.claimAll(level, nodes)
	if level == 0 && c.o.Leaves != nil {
		nodes, lowers = c.only(nodes, lowers)
	}
	below, notes := make([]branch, len(nodes)), make([]note, len(nodes))
	for _, n := range nodes {
		c.Buckets.adopt(c.Geo.BucketOf(n.ptr.Offset()), n.ptr.Gen(), false)
	}
	c.Buckets.raised.Store(false)
	run, what := c.parallel, fmt.Sprintf("btree level %d", level)
	if level == 0 {
		run = func(what string, n int, worker func() func(int)) error { return c.marking(m, what, n, worker) }
	}
	err := run(what, len(nodes), c.nodeWorker(nodes, c.o.Sink, level, func(i int, n *btree.Node) {
		notes[i] = note{n.Seq(), n.Whole}
		if level == 0 {
			below[i] = c.adoptLeaf(n, lowers[i], m)
		} else {
			below[i] = c.adoptInterior(n)
		}
	}))
	if err != nil {
		return nil, err
	}
	c.Tree.lost(nodes, lowers, below)
	for i, n := range notes {
		c.noteNode(nodes[i], n)
	}
	if level == 0 {
		m.putAway()
		for i := range nodes {
			if below[i].fits {
				nodes[i].hides = below[i].hides
				c.Tree.leaves = append(c.Tree.leaves, nodes[i])
			}
		}
		return nil, nil
	}
	c.Tree.above = append(c.Tree.above, nodes)
	var next []child
	for i, b := range below {
		lower := ondisk.Pos{}
		if i > 0 {
			lower = nodes[i-1].pos()
		}
		next = append(next, c.liveChildren(nodes[i].key(), lower, level, b)...)
	}
	return next, nil
}

// claimAll claims the nodes of a level in their order, whoever reads them later, and returns those that no other parent
// led to before, each with where the one before it in the parent ends.
func (c *Cache) claimAll(level int, nodes []child) (ours []child, lowers []ondisk.Pos) {
	ours, lowers = make([]child, 0, len(nodes)), make([]ondisk.Pos, 0, len(nodes))
	lower := ondisk.Pos{}
	for _, n := range nodes {
		if c.claim(n, level) {
			ours, lowers = append(ours, n), append(lowers, lower)
		} else {
			c.Tree.hole(lower, n.pos())
		}
		lower = n.pos()
	}
	c.Tree.Nodes += len(ours)
	return ours, lowers
}

// only are the leaves that Options.Leaves asks for.
func (c *Cache) only(nodes []child, lowers []ondisk.Pos) (some []child, their []ondisk.Pos) {
	for i, n := range nodes {
		if c.o.Leaves(c.Geo.BucketOf(n.ptr.Offset())) {
			some, their = append(some, n), append(their, lowers[i])
		}
	}
	return some, their
}

// eachNode reads nodes with all workers.
func (c *Cache) eachNode(nodes []child, sink finding.Sink, level int, do func(int, *btree.Node)) error {
	return c.parallel(fmt.Sprintf("btree level %d", level), len(nodes), c.nodeWorker(nodes, sink, level, do))
}

// nodeWorker makes workers that read nodes.
func (c *Cache) nodeWorker(nodes []child, sink finding.Sink, level int, do func(int, *btree.Node)) func() func(int) {
	return func() func(int) {
		rd := btree.NewReader(c.r, &c.Geo, sink)
		return func(i int) { do(i, rd.Read(nodes[i].key(), level)) }
	}
}

// parallel calls each worker's function for 0..n-1, until the context ends.
func (c *Cache) parallel(what string, n int, worker func() func(int)) error {
	return c.counted(what, n, worker, func(worker func() func(int)) { workers.Each(c.ctx, c.o.Workers, n, worker) })
}

// marking is parallel for what calls m: with as many workers as that has time for.
func (c *Cache) marking(m *marker, what string, n int, worker func() func(int)) error {
	if n < manyLeaves {
		return c.parallel(what, n, worker)
	}
	m.begin()
	return c.counted(what, n, worker, func(worker func() func(int)) { workers.Grow(c.ctx, c.o.Workers, n, worker, m.idle) })
}

// manyLeaves is how many it pays to be careful with.
const manyLeaves = 32

// counted shows the progress of run's workers.
func (c *Cache) counted(what string, n int, worker func() func(int), run func(worker func() func(int))) error {
	count := c.o.Progress(what, int64(n))
	defer count.Done()
	run(func() func(int) {
		do := worker()
		return func(i int) {
			do(i)
			count.Add(1)
		}
	})
	return c.ctx.Err()
}

// claim marks the node's bucket, and refuses one that was there before: the tree would loop.
func (c *Cache) claim(n child, level int) bool {
	b := c.Geo.BucketOf(n.ptr.Offset())
	was := c.Buckets.claimNode(b, level)
	key := n.key()
	node := finding.Node{Bucket: b, Sector: n.ptr.Offset(), Level: level, Key: &key}
	if was&flagNode != 0 {
		c.o.Sink(finding.New(finding.BTTwice, "%s, up to %v: the tree was there before", node.Place(), n.pos()).With(node))
		return false
	}
	if was&flagFixed != 0 {
		c.o.Sink(finding.About(node, finding.BTReserved, "the bucket is also %s", c.Buckets.Owner(b)))
	}
	return true
}

// note is what is kept of a node until all of its level are read.
type note struct {
	seq   uint64
	whole bool
}

// noteNode keeps what is to be known of all nodes together.
func (c *Cache) noteNode(n child, is note) {
	b := c.Geo.BucketOf(n.ptr.Offset())
	c.Tree.Intact = c.Tree.Intact && is.whole
	if is.seq == 0 {
		return
	}
	if other, ok := c.Tree.seqs[is.seq]; ok {
		c.o.Sink(finding.New(finding.BTSeqTwice, "btree nodes at buckets %d and %d: both have seq %#x", min(b, other), max(b, other), is.seq).
			With(finding.Bucket{Bucket: max(b, other)}))
		return
	}
	c.Tree.seqs[is.seq] = b
}

func (c *Cache) nodeFinding(n *btree.Node, code finding.Code, format string, args ...any) {
	c.o.Sink(finding.About(n.Subject(&c.Geo), code, format, args...))
}

// adoptKey is bch_initial_mark_key for a key that the kernel would not call invalid.
func (c *Cache) adoptKey(k *ondisk.Bkey, freed bool) {
	if c.outside(k) {
		return
	}
	for _, p := range k.Ptr[:k.Ptrs()] {
		if p.Available() {
			c.Buckets.adopt(c.Geo.BucketOf(p.Offset()), p.Gen(), freed)
		}
	}
}

// outside is __ptr_invalid.
func (c *Cache) outside(k *ondisk.Bkey) bool {
	for _, p := range k.Ptr[:k.Ptrs()] {
		if p.Available() && (!c.Geo.Contains(c.Geo.BucketOf(p.Offset())) || c.Geo.Remainder(p.Offset())+k.Size() > c.Geo.BucketSectors) {
			return true
		}
	}
	return false
}

// adoptInterior adopts from all keys of a node, those of freed nodes too, and returns them, newest bset first.
func (c *Cache) adoptInterior(n *btree.Node) branch {
	keys, odd := n.Children(), 0
	for i := range keys {
		if k := &keys[i]; c.notChild(k) != "" || k.Size() != c.Geo.NodeSectors {
			odd++
		}
	}
	if odd > 1 && 2*odd > len(keys) { // an extent of a whole bucket has a child's shape
		c.nodeFinding(n, finding.BTLevel, "%d of its %d keys cannot be a child", odd, len(keys))
		return branch{}
	}
	var bad []ondisk.Pos
	for i := range keys {
		if why := c.notChild(&keys[i]); why != "" {
			c.nodeFinding(n, finding.BTChild, "child %s: %s", keys[i].String(), why)
			bad = append(bad, keys[i].Pos())
			continue
		}
		c.adoptKey(&keys[i], keys[i].IsZero())
	}
	keys = slices.DeleteFunc(keys, func(k ondisk.Bkey) bool { return k.IsZero() || c.notChild(&k) != "" })
	return branch{keys: keys, fits: true, whole: n.Whole && !n.Cut, bad: bad}
}

// notChild is __bch_btree_ptr_invalid.
func (c *Cache) notChild(k *ondisk.Bkey) string {
	switch {
	case k.Ptrs() == 0:
		return "no pointer"
	case k.Size() == 0:
		return "no size"
	case k.Dirty():
		return "dirty"
	case c.outside(k):
		return "outside the device or its bucket"
	}
	return ""
}

// liveChildren judges the keys of the node at key, once all gens of its level are known.
func (c *Cache) liveChildren(key ondisk.Bkey, lower ondisk.Pos, level int, from branch) (live []child) {
	node := finding.Node{Bucket: c.Geo.BucketOf(key.Ptr[0].Offset()), Sector: key.Ptr[0].Offset(), Level: level}
	emit := func(code finding.Code, child *ondisk.Bkey, format string, args ...any) {
		s := node
		s.Key = child
		c.o.Sink(finding.About(s, code, format, args...))
	}
	keys := slices.DeleteFunc(from.keys, c.dead)
	slices.SortStableFunc(keys, func(a, b ondisk.Bkey) int { return a.Pos().Compare(b.Pos()) })
	for i := range keys {
		k := &keys[i]
		switch {
		case i > 0 && k.Pos() == keys[i-1].Pos():
			emit(finding.BTDuplicate, k, "two children end at %v: %s and %s", k.Pos(), keys[i-1].String(), k.String())
			c.Tree.gap(live[:len(live)-1], lower, k.Pos())
			continue
		case k.Pos().Compare(key.Pos()) > 0:
			emit(finding.BTShort, k, "child %s ends behind the node, %v", k.String(), key.Pos())
			c.Tree.hole(key.Pos(), k.Pos())
		case k.Pos().Compare(lower) <= 0:
			emit(finding.BTTiling, k, "child %s ends before the node starts, %v", k.String(), lower)
		}
		if k.Ptrs() != 1 || k.Size() != c.Geo.NodeSectors || c.Geo.Remainder(k.Ptr[0].Offset()) != 0 {
			emit(finding.BTChildShape, k, "child %s: not one pointer to a whole node", k.String())
		}
		live = append(live, child{high: k.High, low: k.Low, ptr: k.Ptr[0]})
	}
	for _, p := range from.bad {
		c.Tree.gap(live, lower, p)
	}
	c.Tree.gap(live, lower, key.Pos())
	switch {
	case !from.whole: // what is missing may stand in what could not be read
	case len(live) == 0:
		emit(finding.BTNoChild, nil, "no live child")
	case live[len(live)-1].pos().Compare(key.Pos()) < 0:
		emit(finding.BTTiling, nil, "its last child ends at %v, the node at %v", live[len(live)-1].pos(), key.Pos())
	}
	return live
}

// dead is what is left of bch_btree_ptr_bad: a pointer that the kernel does not follow.
func (c *Cache) dead(k ondisk.Bkey) bool {
	for _, p := range k.Ptr[:k.Ptrs()] {
		if !p.Available() || ondisk.GenAfter(c.Buckets.Gen(c.Geo.BucketOf(p.Offset())), p.Gen()) > 0 {
			return true
		}
	}
	return false
}
