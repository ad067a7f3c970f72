// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"errors"
	"fmt"
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// What keeps a tree from being built.
var (
	ErrOrder = errors.New("extents out of order")
	ErrFill  = errors.New("no such filling of a node")
)

// Build says how a Builder builds.
type Build struct {
	Geo   *superblock.Geometry
	Fill  int // percent of each node's blocks that are filled at most; 0: all
	Bsets int // of each node that has keys and blocks enough; 0: one

	// Alloc gives the bucket of the next node, and its gen. An error of it ends the building.
	Alloc func(level int) (b ondisk.Bucket, gen uint8, err error)
	// Seq gives a node's sequence number: random, not 0, no two the same.
	Seq func() uint64
	// Put takes a node's bsets, in whole blocks, that belong at the start of b. They are overwritten by the next node.
	Put func(b ondisk.Bucket, level int, node []byte) error
}

// Builder makes a tree of any depth from extents that come in order. Nodes are handed out as they are full, children
// before their parents, each read again first; what is kept is one open node a level, however many keys there are.
type Builder struct {
	o      Build
	limit  ondisk.Sector // of a node's filling
	levels []*openNode   // leaves first
	end    ondisk.Pos    // of the last extent
	kept   *ondisk.Bkey  // the last leaf that Keep got, not in the level above yet
	made   inMemory
	reader *Reader // of made
	fault  error   // that it found
}

// openNode is a node that still takes keys.
type openNode struct {
	level int
	sets  [][]byte // each with room for the header in front
	used  ondisk.Sector
	count int
	last  ondisk.Pos
}

// NewBuilder starts a tree. Errors wrap ErrFill.
func NewBuilder(o Build) (*Builder, error) {
	if o.Fill == 0 {
		o.Fill = 100
	}
	g := o.Geo
	limit := g.NodeSectors * ondisk.Sector(max(o.Fill, 0)) / 100 / g.BlockSectors * g.BlockSectors
	switch {
	case o.Fill < 1 || o.Fill > 100:
		return nil, fmt.Errorf("%w: %d percent", ErrFill, o.Fill)
	case o.Bsets < 0 || g.NodeSectors < g.BlockSectors || ondisk.Sector(o.Bsets) > g.NodeSectors/g.BlockSectors:
		return nil, fmt.Errorf("%w: %d bsets in %d blocks", ErrFill, o.Bsets, g.NodeSectors/g.BlockSectors)
	}
	o.Bsets = max(o.Bsets, 1)
	b := &Builder{o: o, limit: max(limit, g.BlockSectors*ondisk.Sector(o.Bsets))}
	b.reader = NewReader(&b.made, g, func(f finding.Finding) { b.fault = errors.Join(b.fault, errors.New(f.Message)) })
	b.levels = []*openNode{b.open(0)}
	return b, nil
}

func (b *Builder) open(level int) *openNode {
	return &openNode{level: level, sets: make([][]byte, b.o.Bsets)}
}

// Add adds the next extent: of a size above 0, behind all others. Errors wrap ErrOrder, or are those of the callbacks.
func (b *Builder) Add(k *ondisk.Bkey) error {
	start := ondisk.Pos{Inode: k.Inode(), Offset: startOf(k)}
	if k.Size() == 0 || k.Size() > k.Offset() || k.Inode() == ondisk.MaxInode || start.Compare(b.end) < 0 && k.Inode() <= b.end.Inode {
		return fmt.Errorf("%w: %s behind %v", ErrOrder, k.String(), b.end)
	}
	b.end = k.Pos()
	if err := b.settle(); err != nil {
		return err
	}
	return b.push(0, k)
}

// Keep adds a leaf that stands already, with all that it holds: from behind what was added up to its key's position.
// Its key may be given another position than it has: a node's checksum covers its pointer alone. Errors: as Add's.
func (b *Builder) Keep(k *ondisk.Bkey) error {
	if k.Pos().Compare(b.end) <= 0 || k.Ptrs() != 1 {
		return fmt.Errorf("%w: leaf %s behind %v", ErrOrder, k.String(), b.end)
	}
	if err := b.settle(); err != nil {
		return err
	}
	if n := b.levels[0]; n.count > 0 { // what is open ends where its last extent does
		key, err := b.close(n, n.last)
		if err != nil {
			return err
		}
		if err := b.push(1, &key); err != nil {
			return err
		}
	}
	own := *k
	b.kept, b.end = &own, k.Pos()
	return nil
}

// settle leads to the leaf that was kept last, once something comes behind it.
func (b *Builder) settle() error {
	if b.kept == nil {
		return nil
	}
	k := b.kept
	b.kept = nil
	return b.push(1, k)
}

// Finish closes what is open and returns the root's key and level. A tree without extents is an empty leaf.
// Errors: those of the callbacks, and ondisk.ErrEncode.
func (b *Builder) Finish() (root ondisk.Bkey, level int, err error) {
	first := 0
	if b.kept != nil { // the last leaf is one that stands already
		last := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, b.o.Geo.NodeSectors)
		last.SetPtrs(1)
		last.Ptr[0] = b.kept.Ptr[0]
		if len(b.levels) == 1 {
			return last, 0, nil
		}
		if err := b.push(1, &last); err != nil {
			return last, 0, err
		}
		first = 1
	}
	for l := first; ; l++ {
		key, err := b.close(b.levels[l], ondisk.MaxKey.Pos())
		if err != nil || l == len(b.levels)-1 {
			return key, l, err
		}
		if err := b.push(l+1, &key); err != nil {
			return key, l, err
		}
	}
}

// push puts a key behind the others of its level.
func (b *Builder) push(level int, k *ondisk.Bkey) error {
	if level == len(b.levels) {
		b.levels = append(b.levels, b.open(level))
	}
	n := b.levels[level]
	size := 8 * k.Words()
	used := b.with(n, size)
	if used > b.limit {
		key, err := b.close(n, n.last)
		if err != nil {
			return err
		}
		if err := b.push(level+1, &key); err != nil {
			return err
		}
		used = b.with(n, size)
	}
	i := n.count % len(n.sets)
	if len(n.sets[i]) == 0 {
		n.sets[i] = append(n.sets[i], make([]byte, ondisk.BsetBytes)...)
	}
	n.sets[i] = k.Append(n.sets[i])
	n.used, n.last = used, k.Pos()
	n.count++
	return nil
}

// with is how many sectors n's bsets take with another key of size bytes. Keys are dealt out to the bsets in turn.
func (b *Builder) with(n *openNode, size int) ondisk.Sector {
	had := int64(len(n.sets[n.count%len(n.sets)]))
	return n.used - b.o.Geo.Blocks(had) + b.o.Geo.Blocks(max(had, ondisk.BsetBytes)+int64(size))
}

// close hands n out as the node of all positions up to end, and empties it. It returns its key for the level above.
func (b *Builder) close(n *openNode, end ondisk.Pos) (ondisk.Bkey, error) {
	g := b.o.Geo
	k := ondisk.MakeKey(end.Inode, end.Offset, g.NodeSectors)
	bucket, gen, err := b.o.Alloc(n.level)
	if err != nil {
		return k, err
	}
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(gen, g.Start(bucket), uint64(g.ThisDev))
	seq := b.o.Seq()
	if n.count == 0 {
		n.sets[0] = append(n.sets[0][:0], make([]byte, ondisk.BsetBytes)...)
	}
	b.made.node = b.made.node[:0]
	for i, set := range n.sets {
		if len(set) > 0 {
			ondisk.SealBset(set, seq, g.SetMagic, k.Ptr[0])
			b.made.node = g.Pad(append(b.made.node, set...))
			n.sets[i] = set[:0]
		}
	}
	if err := b.again(k, n); err != nil {
		return k, fmt.Errorf("btree node for bucket %d: %w", bucket, err)
	}
	n.used, n.count = 0, 0
	return k, b.o.Put(bucket, n.level, b.made.node)
}

// again reads the node that was just made.
func (b *Builder) again(k ondisk.Bkey, n *openNode) error {
	b.fault = nil
	read := b.reader.Read(k, n.level)
	count := 0
	for i := range read.Sets {
		count += read.Sets[i].Count
	}
	if !read.Whole || b.fault != nil || count != n.count {
		return errors.Join(fmt.Errorf("%w: %d of %d keys", ondisk.ErrEncode, count, n.count), b.fault)
	}
	return nil
}

// inMemory is a node that is nowhere yet: what reads it gets it from anywhere, and zeroes behind it.
type inMemory struct{ node []byte }

// ReadAt is io.ReaderAt.
func (m *inMemory) ReadAt(p []byte, _ int64) (int, error) {
	if len(m.node) > len(p) {
		return 0, io.ErrShortBuffer
	}
	clear(p[copy(p, m.node):])
	return len(p), nil
}
