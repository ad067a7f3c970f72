// SPDX-License-Identifier: GPL-2.0-only

package prio

import (
	"fmt"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// Encode makes set i of a chain, a whole metadata bucket: what entry says of the buckets that the set covers, zeroes
// behind the last of them. next is the bucket of the set behind it, or of the head of the chain before. Errors wrap
// ondisk.ErrEncode.
func Encode(g *superblock.Geometry, i int, seq, next uint64, entry func(ondisk.Bucket) ondisk.PrioEntry) ([]byte, error) {
	per := g.PriosPerBucket()
	set := ondisk.PrioSet{Seq: seq, NextBucket: next, Data: make([]ondisk.PrioEntry, per)}
	set.Tail = make([]byte, int(g.MetaSectors.Bytes())-ondisk.PrioSetBytes-ondisk.PrioEntryBytes*per)
	first, count := g.PrioSpan(i)
	for k := range set.Data[:count] {
		set.Data[k] = entry(first + ondisk.Bucket(k))
	}
	b, err := set.Sealed(g.SetMagic)
	if err != nil {
		return nil, fmt.Errorf("prio set %d: %w", i, err)
	}
	return b, nil
}
