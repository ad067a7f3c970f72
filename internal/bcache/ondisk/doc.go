// SPDX-License-Identifier: GPL-2.0-only

// Package ondisk is what every bcache structure is made of: units, bkeys, magics, checksums and the layouts
// of the six structures a device holds. It is pure: no files, no printing, no judgement.
//
//	cache device
//	sector 8          struct cache_sb_disk  Super    written by make-bcache, then by the kernel (SYNC, seq)
//	journal buckets   struct jset           Jset     a log; each entry also says where everything else is
//	prio buckets      struct prio_set       PrioSet  a chain; gen and prio of every bucket
//	uuid bucket       struct uuid_entry[]   UUIDEntry  one for each volume; no checksum
//	btree nodes       struct bset           Bset     a node is a log of bsets; their keys are struct bkey
//	data              anywhere else
//
// Every decoder takes any bytes and gives a value or an error that wraps one of the sentinels below; Append is
// its exact inverse, pads and leftovers included. Integers are little-endian. The kernel declares only the
// superblock so; the other structures are in the byte order of the host that wrote them, and a set written by a
// big-endian host shows itself by a byte-swapped magic (ErrByteOrder).
//
// A torn write leaves: a superblock of one 4096-byte block, old or new or with a bad checksum; a jset that its
// checksum refuses, with older entries behind it; a prio_set nothing points to yet; a bset that its checksum or
// magic refuses, which the kernel takes for the node's end only where its seq differs.
package ondisk

import "errors"

// What a decoder can say. The text around them names the place and the values.
var (
	ErrShort     = errors.New("too short")
	ErrMagic     = errors.New("bad magic")
	ErrByteOrder = errors.New("written by a big-endian host")
	ErrChecksum  = errors.New("bad checksum")
	ErrBounds    = errors.New("out of bounds")
	ErrKey       = errors.New("malformed key")
	ErrEncode    = errors.New("a block does not decode to what was encoded")
)
