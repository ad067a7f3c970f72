// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// What a damaged bit or word puts a checksum off by is what Syndromes and Words say.
func TestSyndromes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{16, 32, 248, 4096} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		binary.LittleEndian.PutUint64(b, Crc64Seeded(77, b[8:]))
		s := NewSyndromes(n)
		for range 200 {
			bit := rnd.IntN(s.Bits())
			b[bit/8] ^= 1 << (bit % 8)
			if got := OffBy(b, 77); got != s.Of(bit) {
				t.Fatalf("bit %d of %d bytes: off by %#x, want %#x", bit, n, got, s.Of(bit))
			}
			if found, ok := s.Bit(OffBy(b, 77)); !ok || found != bit {
				t.Fatalf("bit %d of %d bytes: found %d, %v", bit, n, found, ok)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
		if _, ok := s.Bit(0x1234567890abcdef); ok {
			t.Errorf("%d bytes: a bit for any difference", n)
		}
		at, mask := 8+8*rnd.IntN(n/8-1), rnd.Uint64()
		binary.LittleEndian.PutUint64(b[at:], binary.LittleEndian.Uint64(b[at:])^mask)
		places, found := 0, false
		Words(n, OffBy(b, 77), func(off int, m uint64) bool {
			places++
			found = found || off == at && m == mask
			return true
		})
		if !found || places != n/8-1 {
			t.Errorf("%d bytes: word at %d not found among %d", n, at, places)
		}
	}
}

// A bset's count of keys is found again, whatever stands in its place and behind its keys.
func TestFindKeys(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		set := Bset{BsetHeader: BsetHeader{Seq: rnd.Uint64(), Version: BsetVersion}}
		for i := range 1 + rnd.IntN(100) {
			k := MakeKey(1, Sector(8*i+8), 8)
			k.SetPtrs(1)
			k.Ptr[0] = MakePtr(1, Sector(4096+8*i), 0)
			set.Data = append(set.Data, k)
		}
		set.Seal(77, 99)
		b := set.Append(nil)
		want := uint32(len(b)-BsetBytes) / 8
		binary.LittleEndian.PutUint32(b[28:], rnd.Uint32())
		for range 1000 {
			b = append(b, byte(rnd.Uint32()))
		}
		if got, ok := FindKeys(b, 99); !ok || got != want {
			t.Errorf("%d, %v: want %d", got, ok, want)
		}
		b[20] ^= 1
		if got, ok := FindKeys(b, 99); ok {
			t.Errorf("%d keys, though the header is damaged", got)
		}
	}
}
