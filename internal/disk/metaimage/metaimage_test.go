// SPDX-License-Identifier: GPL-2.0-only

package metaimage

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"testing"

	"bctl/internal/disk/full"
)

// sample is an image of two devices, and the bytes of its stream.
func sample(t testing.TB, stream []byte) []byte {
	t.Helper()
	half := int64(len(stream)) / 1024 * 512
	ix := &Index{Sanitized: true, Devices: []Device{
		{Cache, 1 << 30, 4096, []Area{{0, 8192}, {1 << 20, half - 8192}}},
		{Backing, 1<<30 + 5, 512, []Area{{512, int64(len(stream)) - half}}},
	}}
	var out bytes.Buffer
	w, err := Create(&out, ix)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(stream, 1<<20) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func stream(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i >> 9 * 31)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	want := stream(9 << 20) // three frames
	file := sample(t, want)
	m, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var got []byte
	for i := range m.Devices {
		v := m.View(i)
		for _, a := range v.Areas {
			b := make([]byte, a.Len)
			if n, err := v.ReadAt(b, a.Off); err != nil {
				t.Fatal(n, err)
			}
			got = append(got, b...)
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("the areas are other bytes")
	}
	v := m.View(0)
	if v.LogicalBlock != 4096 || m.Devices[1].Size != 1<<30+5 || !m.Sanitized {
		t.Errorf("%+v", m.Index)
	}
	var gap *full.UnknownError
	if n, err := v.ReadAt(make([]byte, 1024), 8192-512); n != 512 || !errors.As(err, &gap) || gap.Off != 8192 || gap.End != 1<<20 {
		t.Error(n, err)
	}
	if n, err := v.ReadAt(make([]byte, 1024), 1<<30); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	b := bytes.Repeat([]byte{1}, 1<<20)
	if _, err := full.Known(v).ReadAt(b, 8192); err != nil || bytes.Count(b, []byte{0}) < 1<<20-8192 {
		t.Error("what is unknown is not zero for those who search", err)
	}
}

// zstd's own program reads it.
func TestZstd(t *testing.T) {
	want := stream(1 << 20)
	cmd := exec.Command("zstd", "-d", "-c")
	cmd.Stdin = bytes.NewReader(sample(t, want))
	got, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What is nearly all zero takes few frames, and what follows it in the stream does not.
func TestNearlyEmpty(t *testing.T) {
	want := make([]byte, 50<<20)
	want[5], want[37<<20] = 1, 2
	copy(want[45<<20:], stream(1<<20))
	file := sample(t, want)
	m, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	table, err := m.stream.SeekTable()
	if err != nil || table.NumFrames() != 8 { // the index, 16, 16, 4, 4, 4, 4, 2 MiB
		t.Errorf("%d frames, %v", table.NumFrames(), err)
	}
	at := int64(0)
	for i := range m.Devices {
		for _, a := range m.View(i).Areas {
			b := make([]byte, a.Len)
			if _, err := m.View(i).ReadAt(b, a.Off); err != nil || !bytes.Equal(b, want[at:at+a.Len]) {
				t.Errorf("device %d, area at %d: %v", i, a.Off, err)
			}
			at += a.Len
		}
	}
}

// A file of a later version says so; one that was cut off is broken.
func TestRefused(t *testing.T) {
	file := sample(t, stream(1<<16))
	later := bytes.Clone(file)
	later[12] = Version + 1
	if _, err := Open(bytes.NewReader(later), int64(len(later))); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
	if _, err := Open(bytes.NewReader(file[:len(file)-20]), int64(len(file)-20)); !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
}

// Any bytes are an image or an error.
func FuzzOpen(f *testing.F) {
	f.Add(sample(f, stream(1<<12)))
	f.Add(sample(f, make([]byte, 1<<16)))
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		defer m.Close()
		b := make([]byte, 4096)
		for i := range m.Devices {
			v := m.View(i)
			for _, a := range v.Areas {
				if n, err := v.ReadAt(b, a.Off+a.Len-512); n < 512 && !errors.Is(err, ErrBroken) {
					t.Fatalf("%d bytes of an area, %v", n, err)
				}
			}
			_, _ = v.ReadAt(b, 0)
		}
	})
}

// What decodes encodes to what decodes to the same.
func FuzzIndex(f *testing.F) {
	f.Add((&Index{Devices: []Device{{Cache, 1 << 20, 512, []Area{{0, 512}, {1024, 2048}}}}}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := decodeIndex(b)
		if err != nil {
			return
		}
		again := ix.append(nil)
		if ix, err = decodeIndex(again); err != nil || !bytes.Equal(ix.append(nil), again) {
			t.Fatal(err)
		}
	})
}
