// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"encoding/binary"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// Where a bset is damaged in more places than its checksum alone can name, its keys name most of them: hardly a bit of a
// key can be wrong without that it shows, for most follow from what is known. Each key that cannot be leaves a few bits
// of it to be wrong; the checksum tells which, and finds one or two more of which nothing shows. A damage fits by chance
// once in 2^64 divided by all that are tried, which are below 2^45, and then it would have to give keys in order.

const (
	mostSought = 1 << 20 // ways to take the bits that show, times one for those that do not
	mostTried  = 1 << 26 // bits that are looked up: about a second

	mostSectors ondisk.Sector = 1 << 41 // of a volume: a PiB
)

// A seeker is a bset that is to become what it was.
type seeker struct {
	b         []byte // the header as it must be, but for the checksum
	diff      uint64 // what the checksum is off by
	level     int
	plausible func(*ondisk.Bkey) bool
	bits      *ondisk.Syndromes
	slots     [][]wrong // for each key that cannot be: what may be wrong with it
	ways      int
	most      int // how many bits of which nothing shows are tried
}

// A wrong is bits that may be damaged, and what they put the checksum off by; no bits where a key may be right.
type wrong struct {
	diff uint64
	bits []int
}

// soughtBset is the bset at the start of raw as it was written, or nil. seq is its node's, 0 for the first.
func soughtBset(c *inspect.Cache, raw []byte, seq uint64, parent ondisk.Ptr, level int) []byte {
	if len(raw) < ondisk.BsetBytes {
		return nil
	}
	b := append([]byte(nil), raw...)
	ondisk.PutBsetMagic(b, c.Geo.SetMagic)
	if seq != 0 {
		binary.LittleEndian.PutUint64(b[16:], seq)
	}
	binary.LittleEndian.PutUint32(b[24:], ondisk.BsetVersion)
	if keys, ok := ondisk.FindKeys(b, uint64(parent)); ok {
		binary.LittleEndian.PutUint32(b[28:], keys)
		return b[:ondisk.BsetBytes+8*keys]
	}
	h, err := ondisk.DecodeBsetHeader(b)
	if err != nil || h.Bytes() > int64(len(b)) || h.Keys < 2 {
		return nil
	}
	b = b[:h.Bytes()]
	s := &seeker{b: b, diff: ondisk.OffBy(b, uint64(parent)), level: level, plausible: func(k *ondisk.Bkey) bool { return mayHold(c, k, level) }}
	few := s.suspect()
	if few && s.search(0, 1) || s.word() || few && s.search(2, 3) {
		return s.b
	}
	return nil
}

// mayHold reports whether a bset of a level may hold a key.
func mayHold(c *inspect.Cache, k *ondisk.Bkey, level int) bool {
	block := c.Geo.BlockSectors - 1
	switch {
	case !k.PadsZero() || k.Ptrs() > 1 || k.Csum() != 0 || k.Offset() > mostSectors && !k.IsMax():
		return false
	case level > 0:
		return k.Ptrs() == 1 && !k.Dirty() && k.Size() == c.Geo.NodeSectors && leads(c, k) && c.Geo.Remainder(k.Ptr[0].Offset()) == 0
	case k.Size() > k.Offset() || (k.Offset()|k.Size())&block != 0 || int(k.Inode()) >= len(c.UUIDs) || c.UUIDs[k.Inode()] == (ondisk.UUIDEntry{}):
		return false
	case k.Ptrs() == 0 || k.Ptr[0].Dev() == ondisk.PtrCheckDev:
		return !k.Dirty()
	}
	return leads(c, k)
}

// leads reports whether a key leads to where its bucket may have been used for it.
func leads(c *inspect.Cache, k *ondisk.Bkey) bool {
	g, p := &c.Geo, k.Ptr[0]
	b := g.BucketOf(p.Offset())
	if p.Dev() != uint64(g.ThisDev) || !g.Contains(b) || p.Offset()&(g.BlockSectors-1) != 0 || g.Remainder(p.Offset())+k.Size() > g.BucketSectors {
		return false
	}
	behind, ahead := ondisk.GenAfter(c.Buckets.Gen(b), p.Gen()), p.Gen()-c.Buckets.Gen(b)
	return behind > 0 && behind <= ondisk.GenLimit || behind == 0 && ahead <= 2
}

// word takes one damaged word out, wherever it stands.
func (s *seeker) word() (found bool) {
	ondisk.Words(len(s.b), s.diff, func(off int, mask uint64) bool {
		if off < ondisk.BsetBytes {
			return false
		}
		at := s.b[off:]
		binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)^mask)
		if found = s.around(off) && s.whole(); !found {
			binary.LittleEndian.PutUint64(at, binary.LittleEndian.Uint64(at)^mask)
		}
		return !found
	})
	return found
}

// around reports whether one of the keys that a word may belong to can be: what is quick to see.
func (s *seeker) around(off int) bool {
	var k ondisk.Bkey
	for at := max(ondisk.BsetBytes, off-16); at <= off; at += 8 {
		if n, err := k.Decode(s.b[at:]); err == nil && at+n > off && s.plausible(&k) {
			return true
		}
	}
	return false
}

// whole reports whether all keys can be, and stand in order.
func (s *seeker) whole() bool {
	at, last, n := ondisk.BsetBytes, ondisk.Pos{}, 0
	for at < len(s.b) {
		var k ondisk.Bkey
		size, err := k.Decode(s.b[at:])
		if err != nil || !s.plausible(&k) || !s.follows(last, &k) {
			return false
		}
		at, last, n = at+size, k.Pos(), n+1
	}
	return n > 0
}

// follows reports whether a key may come behind a position. Only extents have a start.
func (s *seeker) follows(last ondisk.Pos, k *ondisk.Bkey) bool {
	start := ondisk.Pos{Inode: k.Inode(), Offset: k.Start()}
	return k.Pos().Compare(last) >= 0 && (k.Size() == 0 || s.level > 0 || start.Compare(last) >= 0)
}

// suspect finds the keys that cannot be, or not together, and what may be wrong with each. It is false where that is
// too much.
func (s *seeker) suspect() bool {
	s.bits, s.ways = ondisk.NewSyndromes(len(s.b)), 1
	behind, lower := ondisk.BsetBytes, ondisk.Pos{}
	gap := func(to int, upper ondisk.Pos) bool {
		if (to-behind)%keyBytes != 0 {
			return false
		}
		for at := behind; at < to; at += keyBytes {
			ws := s.wrongs(at, lower, upper)
			if s.ways *= len(ws); s.ways == 0 || s.ways > mostSought {
				return false
			}
			s.slots = append(s.slots, ws)
		}
		return true
	}
	for _, k := range s.together() {
		upper := k.k.Pos()
		if s.level == 0 {
			upper.Offset = k.k.Start()
		}
		if !gap(k.from, upper) {
			return false
		}
		behind, lower = k.to, k.k.Pos()
	}
	return gap(len(s.b), ondisk.MaxKey.Pos())
}

const keyBytes = 24 // of a key with its pointer: one without is rare

// together are the keys that can be, but for those of which one or the other stands in the wrong place.
func (s *seeker) together() (out []stand) {
	keys := stands(s.b, ondisk.BsetBytes, false, s.plausible)
	for i := range keys {
		fits := i == 0 || s.follows(keys[i-1].k.Pos(), &keys[i].k)
		if fits && (i+1 == len(keys) || s.follows(keys[i].k.Pos(), &keys[i+1].k)) {
			out = append(out, keys[i])
		}
	}
	return out
}

// wrongs are the bits of the key at a place that may be damaged: none, one, or else two, so that it stands between two
// others; or one, so that it may stand anywhere, for those may be wrong.
func (s *seeker) wrongs(at int, lower, upper ondisk.Pos) (out []wrong) {
	const bits = 8 * keyBytes
	try := func(flipped ...int) {
		var key [keyBytes]byte
		copy(key[:], s.b[at:])
		w := wrong{}
		for _, i := range flipped {
			key[i/8] ^= 1 << (i % 8)
			w.bits, w.diff = append(w.bits, 8*at+i), w.diff^s.bits.Of(8*at+i)
		}
		var k ondisk.Bkey
		if n, err := k.Decode(key[:]); err == nil && n == keyBytes && s.plausible(&k) && s.follows(lower, &k) && k.Pos().Compare(upper) <= 0 {
			out = append(out, w)
		}
	}
	singles := func() {
		try()
		for i := range bits {
			try(i)
		}
	}
	singles()
	for i := 0; i < bits && (len(out) == 0 || len(out[0].bits) == 2); i++ {
		for j := range i {
			try(i, j)
		}
	}
	if len(out) == 0 {
		lower, upper = ondisk.Pos{}, ondisk.MaxKey.Pos()
		singles()
	}
	return out
}

// search tries all ways to take what shows, with some numbers of bits of which nothing shows: up to three.
func (s *seeker) search(from, to int) bool {
	n := s.bits.Bits()
	for s.most = from; s.most <= to; s.most++ {
		if tries := []int{s.ways, s.ways, s.ways * n, s.ways * n * n / 2}; tries[s.most] > mostTried {
			return false
		}
		if s.take(0, s.diff) {
			return true
		}
	}
	return false
}

// take takes what may be wrong with the keys from one on, and looks for what then is left.
func (s *seeker) take(slot int, diff uint64) bool {
	if slot == len(s.slots) {
		return s.rest(s.most, s.bits.Bits(), diff)
	}
	for _, w := range s.slots[slot] {
		s.flip(w.bits...)
		if s.take(slot+1, diff^w.diff) {
			return true
		}
		s.flip(w.bits...)
	}
	return false
}

// magicWord is the second of a bset, which is as it must be. The checksum of another node's, whose pointer is off by a bit, is
// off as if a bit of this word were.
const magicWord = 1

// rest takes as many bits below one as there are, so that nothing is left.
func (s *seeker) rest(most, below int, diff uint64) bool {
	switch most {
	case 0:
		return diff == 0 && s.whole()
	case 1:
		bit, ok := s.bits.Bit(diff)
		if !ok || bit >= below || bit/64 == magicWord {
			return false
		}
		s.flip(bit)
		if s.whole() {
			return true
		}
		s.flip(bit)
		return false
	}
	for bit := range below {
		if bit/64 == magicWord {
			continue
		}
		s.flip(bit)
		if s.rest(most-1, bit, diff^s.bits.Of(bit)) {
			return true
		}
		s.flip(bit)
	}
	return false
}

func (s *seeker) flip(bits ...int) {
	for _, i := range bits {
		s.b[i/8] ^= 1 << (i % 8)
	}
}
