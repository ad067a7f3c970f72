// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func sealed(rng *rand.Rand, n int, seed uint64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	binary.LittleEndian.PutUint64(b, Crc64Seeded(seed, b[8:]))
	return b
}

// Whatever run of up to 16 bits is damaged, wherever it stands, what was written comes back, to the byte.
func TestMend(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{9, 10, 12, 16, 40, 240, 2264, 4096, 65536} {
		for range 40 {
			seed := rng.Uint64()
			want := sealed(rng, n, seed)
			bad := bytes.Clone(want)
			bit := rng.IntN(8*(n-8)) + 64
			mask := 1 + rng.Uint32N(1<<16-1)
			for i := range 16 {
				if at := bit + i; mask>>i&1 != 0 && at < 8*n {
					bad[at/8] ^= 0x80 >> (at % 8)
				}
			}
			if bytes.Equal(bad, want) {
				continue
			}
			got, ok := MendSeeded(seed, bad)
			if !ok || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, bit %d, mask %#x: %v", n, bit, mask, ok)
			}
		}
	}
}

// A damaged checksum is made anew.
func TestMendChecksum(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	want := sealed(rng, 500, ^uint64(0))
	for i := range 8 {
		bad := bytes.Clone(want)
		bad[i] ^= 0x41
		if got, ok := Mend(bad); !ok || !bytes.Equal(got, want) {
			t.Errorf("byte %d: %v", i, ok)
		}
	}
}

// What more than a short run is damaged of is not guessed at.
func TestMendNoGuess(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := 64; n <= 1<<16; n *= 4 {
		for range 20 {
			bad := sealed(rng, n, ^uint64(0))
			if _, ok := Mend(bad); ok {
				t.Fatal("nothing was wrong")
			}
			bad[8+rng.IntN(n/4)] ^= byte(1 + rng.IntN(255))
			bad[n/2+rng.IntN(n/4)] ^= byte(1 + rng.IntN(255))
			if got, ok := Mend(bad); ok {
				t.Fatalf("%d bytes: %x", n, got[:16])
			}
		}
	}
	for n := range 9 {
		if _, ok := Mend(make([]byte, n)); ok {
			t.Errorf("%d bytes", n)
		}
	}
}

func BenchmarkMend(b *testing.B) {
	bad := sealed(rand.New(rand.NewPCG(7, 8)), 256<<10, 1)
	bad[70000] ^= 4
	for b.Loop() {
		if _, ok := MendSeeded(1, bad); !ok {
			b.Fatal("not mended")
		}
	}
}
