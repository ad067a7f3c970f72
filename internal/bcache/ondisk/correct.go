// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"math/bits"
)

// A checksum that is wrong tells more than that: CRC-64 is linear, so what it is off by depends on the damage alone,
// not on the data. A run of a few damaged bits anywhere in a block has a difference of its own; where one fits, the
// block as it was written is known, and nothing of it is lost. In a block of n bits a random damage fits by chance
// once in 2^64 / (n * 2^16): not in the largest node there is.

// burstBits is how long a run of damaged bits may be. It costs a factor of two in certainty a bit.
const burstBits = 16

// A Burst is a run of damaged bits: Mask, as big-endian 24 bits from byte Off on, xored over what was written.
type Burst struct {
	Off  int // into the bytes that the checksum covers; -8 and above, below 0: into the checksum itself
	Mask uint32
}

// FindBurst finds the one run of at most 16 bits, in n bytes or in the checksum over them, by which a checksum is off:
// diff is the one that is stored xor the one that the bytes have. ok is false where there is none, or several.
func FindBurst(n int, diff uint64) (found Burst, ok bool) {
	if diff == 0 {
		return Burst{}, false
	}
	// v is diff divided by x^(64+t): the damage, if its last bit stands t bits before the end. For t < 0 it stands in
	// the checksum, which is the remainder itself.
	times := 0
	if first := bits.TrailingZeros64(diff); diff>>first < 1<<burstBits {
		return Burst{Off: -8}, true // the checksum's own bits: it is made anew
	}
	v := diff
	for t := -64; t < 8*n; t++ {
		if t >= 0 && v&1 != 0 && v < 1<<burstBits {
			last := 8*n - 1 - t // the bit's number from the start
			off := max(0, last/8-2)
			found, times = Burst{off, uint32(v) << (8*(off+3) - 1 - last)}, times+1
		}
		if v&1 != 0 {
			v = (v^crcPoly)>>1 | 1<<63
		} else {
			v >>= 1
		}
	}
	return found, times == 1
}

// Apply takes the damage out of the bytes that the checksum covers.
func (f Burst) Apply(b []byte) {
	if f.Off < 0 {
		return
	}
	for i := range min(3, len(b)-f.Off) {
		b[f.Off+i] ^= byte(f.Mask >> (16 - 8*i))
	}
}

// Mend corrects a superblock, jset, prio_set or version 0 bset: b is all its checksum covers, from the checksum
// itself on. It returns a copy as it was written, or false where more than a short run of bits is damaged.
func Mend(b []byte) ([]byte, bool) { return mend(b, ^uint64(0)) }

// MendSeeded is Mend for a version 1 bset whose node the pointer seed points to.
func MendSeeded(seed uint64, b []byte) ([]byte, bool) { return mend(b, seed) }

func mend(b []byte, seed uint64) ([]byte, bool) {
	if len(b) <= 8 {
		return nil, false
	}
	f, ok := FindBurst(len(b)-8, binary.LittleEndian.Uint64(b)^Crc64Seeded(seed, b[8:]))
	if !ok {
		return nil, false
	}
	out := append([]byte(nil), b...)
	f.Apply(out[8:])
	binary.LittleEndian.PutUint64(out, Crc64Seeded(seed, out[8:]))
	return out, true
}
