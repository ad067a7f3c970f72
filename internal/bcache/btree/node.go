// SPDX-License-Identifier: GPL-2.0-only

// Package btree reads the nodes of the tree that maps every volume's sectors to the cache's.
//
//	node   | bset 0 | bset 1 | ... | bset k | unused blocks
//	       each starts at a block; all have the seq of bset 0; the first block of another seq ends the node
//	bset   | csum magic seq version keys | key | key | ...
//	leaf   keys are extents: [offset - size, offset) of an inode, with a pointer to where on the cache it stands
//	above  keys are children: the last position below them, with a pointer to the child's node
//
// A node is a log: each write adds a bset, and newer keys override older ones; compaction writes the whole anew
// elsewhere. Only the root's place is recorded (in the journal); a child's is in its parent, and the parent records
// a freed child by a key at 0:0 with the raised gen. A torn write leaves a bset that its checksum refuses, and the
// kernel then refuses the node.
package btree

import (
	"encoding/binary"
	"fmt"
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/finding"
	"bctl/superblock"
)

// Piece is an extent, or the part of one that newer keys left. At is where its key stands.
type Piece struct {
	Start, End ondisk.Sector
	Inode      uint32
	At         uint32
}

// Keys is a run of words in which pieces find their keys: a node, or the keys of the journal.
type Keys []byte

// Key reads the key of p, cut to p, into k.
func (ks Keys) Key(p Piece, k *ondisk.Bkey) {
	if _, err := k.Decode(ks[p.At:]); err != nil {
		return // cannot be: p came from a key that parsed
	}
	if k.Start() != p.Start && k.Size() <= k.Offset() {
		k.CutFront(p.Start)
	}
	if k.Offset() != p.End {
		k.CutBack(p.End)
	}
}

// Set is one bset of a node that could be read.
type Set struct {
	ondisk.BsetHeader
	Sector ondisk.Sector // in the node
	Count  int           // of keys

	from, to int // its keys, in the node's bytes
	lo, hi   int // its extents, in the node's pieces
	sorted   bool
	plain    bool // see isPlain; its extents are not among the node's pieces yet
}

// Node is one btree node, as far as it could be read. It is overwritten by the next Read.
type Node struct {
	Key   ondisk.Bkey // in its parent, or the root's
	Level int
	Sets  []Set // oldest first
	Whole bool  // all its bsets could be read
	Cut   bool  // but not all keys of one: one of them does not parse
	Keys  Keys

	pieces, merged, spare []Piece
	runs                  [][]byte // see Plain
}

// Place is where the node stands.
func (n *Node) Place(g *superblock.Geometry) (ondisk.Bucket, ondisk.Sector) {
	s := n.Key.Ptr[0].Offset()
	return g.BucketOf(s), s
}

// Seq identifies the node: 0 where not even its first bset could be read.
func (n *Node) Seq() uint64 {
	if len(n.Sets) == 0 {
		return 0
	}
	return n.Sets[0].Seq
}

// Reader reads nodes, one at a time: give every goroutine its own.
type Reader struct {
	r    io.ReaderAt
	g    *superblock.Geometry
	sink finding.Sink
	node Node
	buf  []byte
}

// NewReader reads nodes of the cache with geometry g; what is wrong with them goes to sink.
func NewReader(r io.ReaderAt, g *superblock.Geometry, sink finding.Sink) *Reader {
	return &Reader{r: r, g: g, sink: sink}
}

// Read reads the node that key points to. The node is valid until the next Read.
func (rd *Reader) Read(key ondisk.Bkey, level int) *Node {
	n := &rd.node
	*n = Node{Key: key, Level: level, Sets: n.Sets[:0], pieces: n.pieces[:0], merged: n.merged, spare: n.spare, runs: n.runs}
	size := min(key.Size(), rd.g.NodeSectors).Bytes()
	if int64(cap(rd.buf)) < size {
		rd.buf = make([]byte, size)
	}
	rd.buf = rd.buf[:size]
	n.Keys = rd.buf
	if err := full.ReadAt(rd.r, rd.buf, key.Ptr[0].Offset().Bytes()); err != nil {
		rd.emit(finding.BTUnread, 0, "%v; keys up to %v are not checked", err, key.Pos())
		return n
	}
	rd.parse()
	return n
}

func (rd *Reader) emit(c finding.Code, at ondisk.Sector, format string, args ...any) {
	s := finding.Bset{Node: rd.node.Subject(rd.g), Block: at / rd.g.BlockSectors, At: at}
	rd.sink(finding.About(s, c, format, args...))
}

// parse is bch_btree_node_read_done up to the sorting: it stops at the first bset that is wrong.
func (rd *Reader) parse() {
	n := &rd.node
	first, err := ondisk.DecodeBsetHeader(rd.buf)
	if err != nil || first.Seq == 0 {
		rd.emit(finding.BTHeader, 0, "bad btree header; keys up to %v are not checked", n.Key.Pos())
		return
	}
	block := rd.g.BlockSectors
	end := ondisk.Sector(len(rd.buf) / ondisk.SectorBytes)
	at := ondisk.Sector(0)
	for at+block <= end {
		h, err := ondisk.DecodeBsetHeader(rd.buf[at.Bytes():])
		if err != nil || h.Seq != first.Seq {
			break
		}
		if !rd.set(h, at, end) {
			return
		}
		at += rd.g.Blocks(h.Bytes())
	}
	for b := at; b+block <= end; b += block {
		if h, err := ondisk.DecodeBsetHeader(rd.buf[b.Bytes():]); err == nil && h.Seq == first.Seq {
			rd.emit(finding.BTCorrupted, b, "corrupted btree: a bset of this node behind its end at block %d", at/block)
			return
		}
	}
	if at+block <= end && rd.onlySeq(at, end, first.Seq) {
		rd.lose(finding.BTChecksum, at, "bad seq alone: the checksum is that of a bset of this node, which the kernel does not read")
		return
	}
	n.Whole = true
}

// onlySeq reports whether the block behind the last bset starts another of which the seq alone is damaged. Leftovers
// of other nodes have other checksums: they start with another pointer, and cover another seq.
func (rd *Reader) onlySeq(at, end ondisk.Sector, seq uint64) bool {
	b := rd.buf[at.Bytes():end.Bytes()]
	h, err := ondisk.DecodeBsetHeader(b)
	if err != nil || h.CheckMagic(rd.g.SetMagic) != nil || h.Version > ondisk.BsetVersion || h.Keys == 0 || h.Bytes() > int64(len(b)) {
		return false
	}
	was := h.Seq
	binary.LittleEndian.PutUint64(b[16:], seq)
	err = h.CheckSum(b[:h.Bytes()], rd.node.Key.Ptr[0])
	binary.LittleEndian.PutUint64(b[16:], was)
	return err == nil
}

// set judges and takes the bset at sector at; false ends the node.
func (rd *Reader) set(h ondisk.BsetHeader, at, end ondisk.Sector) bool {
	n := &rd.node
	left := (end - at).Bytes()
	switch {
	case h.Version > ondisk.BsetVersion:
		return rd.lose(finding.BTVersion, at, "unsupported bset version %d", h.Version)
	case h.Bytes() > left:
		return rd.lose(finding.BTHeader, at, "bad btree header: %d words of keys", h.Keys)
	}
	b := rd.buf[at.Bytes():][:h.Bytes()]
	if err := h.CheckMagic(rd.g.SetMagic); err != nil {
		return rd.lose(finding.BTMagic, at, "%v", err)
	}
	if err := h.CheckSum(b, n.Key.Ptr[0]); err != nil {
		return rd.lose(finding.BTChecksum, at, "%v", err)
	}
	if at > 0 && h.Keys == 0 {
		return rd.lose(finding.BTEmpty, at, "empty set")
	}
	s := Set{BsetHeader: h, Sector: at, from: int(at.Bytes()) + ondisk.BsetBytes, to: int(at.Bytes() + h.Bytes()), lo: len(n.pieces)}
	rd.keys(&s)
	s.hi = len(n.pieces)
	n.Sets = append(n.Sets, s)
	return true
}

// lose reports a bset that ends the node; it returns false.
func (rd *Reader) lose(c finding.Code, at ondisk.Sector, format string, args ...any) bool {
	rd.emit(c, at, "%s; this and later bsets, up to key %v, are not checked", fmt.Sprintf(format, args...), rd.node.Key.Pos())
	return false
}

// Subject names the node in findings.
func (n *Node) Subject(g *superblock.Geometry) finding.Node {
	b, s := n.Place(g)
	return finding.Node{Bucket: b, Sector: s, Level: n.Level}
}
