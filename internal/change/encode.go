// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bytes"
	"errors"
	"fmt"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// Every block is decoded again and compared before it is handed out to be written.

// encodePrioSet makes set i of a chain.
func encodePrioSet(g *superblock.Geometry, i int, seq, next uint64, entry func(ondisk.Bucket) ondisk.PrioEntry) ([]byte, error) {
	per := g.PriosPerBucket()
	set := ondisk.PrioSet{Seq: seq, NextBucket: next, Data: make([]ondisk.PrioEntry, per)}
	set.Tail = make([]byte, int(g.MetaSectors.Bytes())-ondisk.PrioSetBytes-3*per)
	for k := range set.Data {
		if b := ondisk.Bucket(i*per + k); b < g.NBuckets {
			set.Data[k] = entry(b)
		}
	}
	set.Seal(g.SetMagic)
	b := set.Append(nil)
	again, err := ondisk.DecodePrioSet(b, g.SetMagic)
	if err != nil || !bytes.Equal(again.Append(nil), b) {
		return nil, fmt.Errorf("prio set %d: %w", i, errors.Join(ErrEncode, err))
	}
	return b, nil
}

// sealJset makes a journal entry, in whole blocks.
func sealJset(g *superblock.Geometry, j *ondisk.Jset) ([]byte, error) {
	j.Seal(g.SetMagic)
	b := j.Append(nil)
	again, err := ondisk.DecodeJset(b, g.SetMagic)
	if err != nil || !bytes.Equal(again.Append(nil), b) {
		return nil, fmt.Errorf("journal entry %d: %w", j.Seq, errors.Join(ErrEncode, err))
	}
	return padBlocks(g, b), nil
}

// padBlocks fills the last block with zeroes.
func padBlocks(g *superblock.Geometry, b []byte) []byte {
	return append(b, make([]byte, g.Blocks(int64(len(b))).Bytes()-int64(len(b)))...)
}
