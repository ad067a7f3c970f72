// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"encoding/binary"

	"bctl/inspect"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
)

// nearSeq is how far the numbers of one ring's entries lie apart at most.
const nearSeq = 1 << 20

// soughtJset is the journal entry at the start of raw as it was written, or nil: where a word of it is damaged, or two or
// three bits, wherever they stand. Of words many would fit the checksum, but then hardly anything else.
func soughtJset(c *inspect.Cache, raw []byte) []byte {
	size := ondisk.JsetSize(raw)
	if c.Journal == nil || c.Journal.Newest == nil || size < ondisk.JsetBytes || size > int64(len(raw)) {
		return nil
	}
	b := append([]byte(nil), raw[:size]...)
	ondisk.PutJsetMagic(b, c.Geo.SetMagic)
	diff := ondisk.OffBy(b, ^uint64(0))
	ones := ondisk.NewSyndromes(len(b))
	flip := func(bits []int) {
		for _, i := range bits {
			b[i/8] ^= 1 << (i % 8)
		}
	}
	fits := func(bits ...int) bool {
		flip(bits)
		if mayStand(c, b) {
			return true
		}
		flip(bits)
		return false
	}
	for i := range ones.Bits() {
		if j, ok := ones.Bit(diff ^ ones.Of(i)); ok && j < i && fits(i, j) {
			return b
		}
	}
	if w := soughtWord(c, b, diff); w != nil {
		return w
	}
	if n := ones.Bits(); n*n/2 > mostTried {
		return nil
	}
	for i := range ones.Bits() {
		for j := range i {
			if k, ok := ones.Bit(diff ^ ones.Of(i) ^ ones.Of(j)); ok && k < j && fits(i, j, k) {
				return b
			}
		}
	}
	return nil
}

// soughtWord is the entry with the one word changed that makes it right, if there is one and no other.
func soughtWord(c *inspect.Cache, b []byte, diff uint64) (found []byte) {
	several := false
	ondisk.Words(len(b), diff, func(off int, mask uint64) bool {
		if off < 8 {
			return true
		}
		at := b[off:]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)^mask)
		if mayStand(c, b) {
			several = found != nil
			found = append([]byte(nil), b...)
		}
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)^mask)
		return !several
	})
	if several {
		return nil
	}
	return found
}

// alikeUnused reports whether what no pointer of a key needs is as in the newest entry, or zero: anything would fit there.
func alikeUnused(k, newest *ondisk.PaddedKey) bool {
	is, was := k.Unused(), newest.Unused()
	return len(is) == len(was) && (bytes.Equal(is, was) || bytes.Count(is, []byte{0}) == len(is))
}

// mayStand reports whether an entry is one that this cache's ring may hold.
func mayStand(c *inspect.Cache, b []byte) bool {
	j, err := ondisk.DecodeJset(b, c.Geo.SetMagic)
	if err != nil || j.Version > 1 || j.Pad != [len(j.Pad)]uint16{} || int(j.Level) > maxDepth {
		return false
	}
	near := func(a, b uint64) bool { return a-b+nearSeq <= 2*nearSeq }
	if !near(j.Seq, c.Journal.Newest.Seq) || j.LastSeq > j.Seq || !near(j.LastSeq, j.Seq) {
		return false
	}
	if journal.RootFault(&c.Geo, &j.BtreeRoot.Bkey) != "" || journal.UUIDFault(&c.Geo, &j.UUIDBucket.Bkey) != "" {
		return false
	}
	if newest := c.Journal.Newest; !alikeUnused(&j.UUIDBucket, &newest.UUIDBucket) || !alikeUnused(&j.BtreeRoot, &newest.BtreeRoot) || j.UUIDBucket.Low != newest.UUIDBucket.Low {
		return false
	}
	for i, p := range j.PrioBucket {
		if at := ondisk.Bucket(p); i == c.Geo.ThisDev && !c.Geo.Contains(at) || i != c.Geo.ThisDev && p != 0 {
			return false
		}
	}
	for i := range j.Keys {
		if k := &j.Keys[i]; k.Size() == 0 || !mayHold(c, k, 0) {
			return false
		}
	}
	return true
}
