// SPDX-License-Identifier: GPL-2.0-only

package tightzstd

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// samples are nearly empty, in several ways, and some that are not.
func samples() (list [][]byte) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 2, 3, 7, 255, 256, 300, 5000, 70000, 128 << 10, 128<<10 + 1, 400 << 10} {
		for _, spots := range []int{0, 1, 5, 40} {
			b := make([]byte, size)
			for range spots {
				at := rnd.IntN(size + 1)
				for i := range b[at:min(at+24, size)] {
					b[at+i] = byte(rnd.IntN(1 << (1 + i%8)))
				}
			}
			list = append(list, b)
		}
	}
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(rnd.IntN(256))
	}
	for i := range 4000 {
		b := byte(i)
		list[7] = append(list[7], b, 0, 0, b/2, 0, 0, 0, 0)
	}
	return append(list, noise, append(bytes.Clone(noise), noise...), bytes.Repeat([]byte{1, 2, 3}, 1000))
}

// Whatever is packed comes back, by two decoders that others wrote.
func TestRoundTrip(t *testing.T) {
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var all, stream []byte
	for i, b := range samples() {
		packed := Encode(b)
		got, err := dec.DecodeAll(packed, nil)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("sample %d, %d bytes: %v", i, len(b), err)
		}
		all, stream = append(all, b...), append(stream, packed...)
	}
	cmd := exec.Command("zstd", "-d", "-c")
	cmd.Stdin = bytes.NewReader(stream)
	got, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil || !bytes.Equal(got, all) {
		t.Errorf("zstd: %d bytes of %d, %v", len(got), len(all), err)
	}
}

func FuzzEncode(f *testing.F) {
	for _, b := range samples()[:20] {
		f.Add(b)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<18 {
			return
		}
		if got, err := dec.DecodeAll(Encode(b), nil); err != nil || !bytes.Equal(got, b) {
			t.Fatal(err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	src := make([]byte, 2<<20)
	for i := range 100 {
		src[i*100] = byte(i * 7)
	}
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		Encode(src)
	}
}
