// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"bctl/internal/lab/imgtest"
)

// slowCrc is the polynomial division, a bit at a time.
func slowCrc(crc uint64, b []byte) uint64 {
	for _, c := range b {
		for bit := 7; bit >= 0; bit-- {
			top := crc>>63 != uint64(c>>bit&1)
			crc <<= 1
			if top {
				crc ^= 0x42F0E1EBA9EA3693
			}
		}
	}
	return crc
}

// crcWays are all ways to compute the checksum that this processor has, by name; "as used" chooses among them.
func crcWays() map[string]func(uint64, []byte) uint64 {
	ways := map[string]func(uint64, []byte) uint64{"as used": crcUpdate, "sliced": crcSliced}
	for _, f := range crcFast {
		ways[f.name] = func(crc uint64, b []byte) uint64 {
			if n := len(b) &^ 15; n >= f.least {
				crc = f.fold(crc, &b[0], n, &crcFoldBy)
				b = b[n:]
			}
			return crcSliced(crc, b)
		}
	}
	return ways
}

// Every way, every length to beyond a block, every alignment to a cache line.
func TestCrc64Model(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	buf := make([]byte, 4096+64)
	for i := range buf {
		buf[i] = byte(rnd.Uint32())
	}
	step := 1
	if testing.Short() {
		step = 7
	}
	for name, update := range crcWays() {
		t.Run(name, func(t *testing.T) {
			for from := 0; from < 64; from += step {
				seed := rnd.Uint64()
				want := seed
				for n := 0; n <= 4096; n++ {
					if n > 0 {
						want = slowCrc(want, buf[from+n-1:from+n])
					}
					if got := update(seed, buf[from:from+n]); got != want {
						t.Fatalf("%d bytes from %d, seed %#x: %#x, want %#x", n, from, seed, got, want)
					}
				}
			}
		})
	}
}

func FuzzCrc64(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "bset") {
		f.Add(s.Parent, s.Data)
	}
	ways := crcWays()
	f.Fuzz(func(t *testing.T, seed uint64, b []byte) {
		want := slowCrc(seed, b)
		for name, update := range ways {
			if got := update(seed, b); got != want {
				t.Errorf("%s, %d bytes, seed %#x: %#x, want %#x", name, len(b), seed, got, want)
			}
		}
	})
}

// What the assembly folds with is the division's, done otherwise: x^n modulo P is the checksum of a one with n-64
// zeros behind it.
func TestCrc64Powers(t *testing.T) {
	for n := 64; n <= 4096; n += 8 {
		one := make([]byte, (n-64)/8+1)
		one[0] = 1
		if got, want := crcPower(n), slowCrc(0, one); got != want {
			t.Errorf("x^%d: %#x, want %#x", n, got, want)
		}
	}
}

// The check values of the catalogues: CRC-64/WE is bch_crc64, CRC-64/ECMA-182 the same without any inversion.
func TestCrc64Catalogue(t *testing.T) {
	if got := Crc64([]byte("123456789")); got != 0x62ec59e3f1a4f00a {
		t.Errorf("%#x", got)
	}
	if got := ^Crc64Seeded(0, []byte("123456789")); got != 0x6c40df5f0b497347 {
		t.Errorf("%#x", got)
	}
}

// The kernel's own checksums, by the model and by the tables.
func TestCrc64KernelMade(t *testing.T) {
	check := func(s imgtest.Seed, from, to int, seeded bool) {
		start, got := ^uint64(0), Crc64(s.Data[from:to])
		if seeded {
			start, got = s.Parent, Crc64Seeded(s.Parent, s.Data[from:to])
		}
		want := binary.LittleEndian.Uint64(s.Data)
		if got != want || ^slowCrc(start, s.Data[from:to]) != want {
			t.Errorf("%v: %#x, want %#x", s, got, want)
		}
	}
	for _, s := range imgtest.Seeds(t, "super") {
		check(s, 8, 208+8*int(binary.LittleEndian.Uint16(s.Data[206:])), false)
	}
	for _, s := range imgtest.Seeds(t, "jset") {
		check(s, 8, len(s.Data), false)
	}
	for _, s := range imgtest.Seeds(t, "prio") {
		check(s, 8, len(s.Data), false)
	}
	for _, s := range imgtest.Seeds(t, "bset") {
		check(s, 8, len(s.Data), true)
	}
}

func BenchmarkCrc64(b *testing.B) {
	for name, update := range crcWays() {
		for _, n := range []int{240, 1 << 10, 4 << 10, 128 << 10} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				buf := make([]byte, n)
				for i := range buf {
					buf[i] = byte(i * 7)
				}
				b.SetBytes(int64(n))
				for b.Loop() {
					update(0, buf)
				}
			})
		}
	}
}
