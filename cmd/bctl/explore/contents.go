// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/inspect/sets"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// contents are what was read of the devices. They do not change; methods that read the devices are for commands, and
// may run at the same time.
type contents struct {
	report *fsck.Report
	cache  *inspect.Cache // nil where there was none to read
	rows   []sets.Row
	nodes  []place
	parts  []inspect.Range // of all keys, one for each leaf, in order
}

// A place is where a node stands, and what is last in it.
type place struct {
	bucket ondisk.Bucket
	upTo   ondisk.Pos
	level  int
	gen    uint8
}

// readAll checks the devices, and keeps what the check read.
func readAll(ctx context.Context, devs []fsck.Device, start progress.Starter) (*contents, error) {
	rep, err := fsck.Run(ctx, devs[0], devs[1:], fsck.Options{Progress: start})
	if err != nil {
		return nil, err
	}
	c := &contents{report: rep, cache: rep.TakeCache()}
	var there []sets.Device
	for _, d := range devs {
		s, err := superblock.Read(d.R)
		if err != nil {
			continue
		}
		one := sets.Device{Name: d.Name, Super: s}
		if dev, ok := d.R.(disk.Device); ok {
			one.Kernel = disk.Registered(dev)
		}
		if !s.IsBacking() && c.cache != nil {
			one.Inside = sets.Of(c.cache)
		}
		there = append(there, one)
	}
	for _, g := range sets.Group(there) {
		c.rows = append(c.rows, g.Rows...)
	}
	if c.cache != nil {
		c.placeNodes()
	}
	return c, nil
}

// placeNodes lists the nodes, and cuts the keys at the ends of leaves.
func (c *contents) placeNodes() {
	var ends []ondisk.Pos
	for level, k := range c.cache.NodeKeys() {
		c.nodes = append(c.nodes, place{c.cache.Geo.BucketOf(k.Ptr[0].Offset()), k.Pos(), level, k.Ptr[0].Gen()})
		if level == 0 {
			ends = append(ends, k.Pos())
		}
	}
	slices.SortFunc(ends, ondisk.Pos.Compare)
	ends = slices.Compact(ends)
	if n := len(ends); n > 0 {
		ends = ends[:n-1] // the last part goes on to the end of all keys
	}
	from := inspect.Everything.From
	for _, end := range append(ends, inspect.Everything.To) {
		c.parts = append(c.parts, inspect.Range{From: from, To: end})
		from = end
	}
}

// partOf is the part that holds a position.
func (c *contents) partOf(p ondisk.Pos) int {
	i, _ := slices.BinarySearchFunc(c.parts, p, func(r inspect.Range, p ondisk.Pos) int { return r.To.Compare(p) })
	return min(i, len(c.parts)-1)
}

// An extent is a live piece.
type extent struct {
	pos    ondisk.Pos // its end
	size   ondisk.Sector
	bucket ondisk.Bucket
	sector ondisk.Sector // on the cache
	gen    uint8
	dirty  bool
}

func (c *contents) extentOf(e *inspect.Extent) extent {
	p := e.Ptr[0]
	return extent{e.Pos(), e.Size(), c.cache.Geo.BucketOf(p.Offset()), p.Offset(), p.Gen(), e.Dirty()}
}

// mostExtents bounds what is kept of a part: a leaf has fewer, a journal may have more.
const mostExtents = 1 << 17

// extents are the live pieces that end in a part.
func (c *contents) extents(ctx context.Context, r inspect.Range) (list []extent, err error) {
	for e, err := range c.cache.Extents(r) {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return list, err
		}
		if p := e.Pos(); e.Live && p.Compare(r.From) > 0 && p.Compare(r.To) <= 0 && len(list) < mostExtents {
			list = append(list, c.extentOf(e))
		}
	}
	return list, nil
}

// inBucket are the live pieces in a bucket.
func (c *contents) inBucket(ctx context.Context, b ondisk.Bucket) (list []extent, err error) {
	row := c.cache.Row(b)
	left := ondisk.Sector(c.cache.Buckets.Sectors(b))
	for _, inode := range row.Inodes {
		for e, err := range c.cache.Extents(inspect.OfVolume(inode)) {
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return list, err
			}
			if e.Live && c.cache.Geo.BucketOf(e.Ptr[0].Offset()) == b && len(list) < mostExtents {
				list = append(list, c.extentOf(e))
				left -= min(left, e.Size())
			}
			if left == 0 { // that was all
				return list, nil
			}
		}
	}
	return list, nil
}

// A nodeInfo is what is known of a node that was read.
type nodeInfo struct {
	bsets, keys, fill int
	seq               uint64
	whole             bool
}

func (c *contents) infoOf(n *btree.Node) nodeInfo {
	info := nodeInfo{bsets: len(n.Sets), seq: n.Seq(), whole: n.Whole, fill: int(100 * n.Used(&c.cache.Geo) / max(c.cache.Geo.NodeSectors, 1))}
	for i := range n.Sets {
		info.keys += n.Sets[i].Count
	}
	return info
}

// info reads a node.
func (c *contents) info(p place) nodeInfo {
	n := c.cache.Node(p.bucket, func(finding.Finding) {})
	if n == nil {
		return nodeInfo{}
	}
	return c.infoOf(n)
}

// A nodeKey is a key of a bset, dead or alive.
type nodeKey struct {
	bset int
	key  ondisk.Bkey
}

// A node is one that was read whole, as far as it could be.
type node struct {
	level   int
	info    nodeInfo
	keys    []nodeKey
	trouble []string
}

// node reads one with its keys. It is nil where no live node stands.
func (c *contents) node(b ondisk.Bucket) *node {
	out := &node{}
	n := c.cache.Node(b, func(f finding.Finding) { out.trouble = append(out.trouble, f.Message) })
	if n == nil {
		return nil
	}
	out.level, out.info = n.Level, c.infoOf(n)
	for i, k := range n.All() {
		out.keys = append(out.keys, nodeKey{i, *k})
	}
	return out
}

// A gauge counts the work of reading, for the screen.
type gauge struct{ now atomic.Pointer[meter] }

type meter struct {
	what       string
	done, most atomic.Int64
}

// start is a progress.Starter.
func (g *gauge) start(what string, limit int64) progress.Counter {
	m := &meter{what: what}
	m.most.Store(limit)
	g.now.Store(m)
	return m
}

func (m *meter) Add(n int64)    { m.done.Add(n) }
func (m *meter) SetMax(n int64) { m.most.Store(n) }
func (m *meter) Done()          {}

// String is what is being done, and how much of it is.
func (g *gauge) String() string {
	m := g.now.Load()
	if m == nil {
		return "reading ..."
	}
	if most := m.most.Load(); most > 0 {
		return fmt.Sprintf("reading %s: %d%%", m.what, min(100, 100*m.done.Load()/most))
	}
	return fmt.Sprintf("reading %s: %d", m.what, m.done.Load())
}
