// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
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

func TestCrc64Model(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	buf := make([]byte, 300)
	for i := range buf {
		buf[i] = byte(rnd.Uint32())
	}
	for n := range 100 {
		for from := range 9 { // every alignment
			b, seed := buf[from:from+n], rnd.Uint64()
			if got, want := Crc64(b), ^slowCrc(^uint64(0), b); got != want {
				t.Fatalf("%d bytes from %d: %#x, want %#x", n, from, got, want)
			}
			if got, want := Crc64Seeded(seed, b), ^slowCrc(seed, b); got != want {
				t.Fatalf("%d bytes from %d, seed %#x: %#x, want %#x", n, from, seed, got, want)
			}
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
	for _, n := range []int{240, 4096, 128 << 10} {
		b.Run(map[int]string{240: "jset", 4096: "block", 128 << 10: "bucket"}[n], func(b *testing.B) {
			buf := make([]byte, n)
			for i := range buf {
				buf[i] = byte(i * 7)
			}
			b.SetBytes(int64(n))
			for b.Loop() {
				Crc64(buf)
			}
		})
	}
}
