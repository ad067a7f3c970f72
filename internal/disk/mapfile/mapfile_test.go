// SPDX-License-Identifier: GPL-2.0-only

package mapfile

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

const written = `# Mapfile. Created by GNU ddrescue version 1.27
# Command line: ddrescue -d /dev/sda a.img a.map
# current_pos  current_status  current_pass
0x00000600     +               1
#      pos        size  status
0x00000000  0x00000200  +
0x00000200  512  -
01000       0x400  ?
# the second half
0x00000800  0x00000400  +
`

// bytewise is what each byte is, slowly.
func bytewise(m Map, size int64) (out []byte) {
	for at := range size {
		s := byte(Untried)
		for _, a := range m {
			if a.Off <= at && at < a.Off+a.Len {
				s = a.Status
			}
		}
		out = append(out, s)
	}
	return out
}

func TestParse(t *testing.T) {
	text := strings.Replace(written, "01000       0x400  ?\n", "", 1) // an area that no line names
	m, err := Parse(strings.NewReader(text))
	want := Map{{0, 0x200, '+'}, {0x200, 512, '-'}, {0x800, 0x400, '+'}}
	if err != nil || !slices.Equal(m, want) {
		t.Fatalf("%v, %v", m, err)
	}
	const size = 0x1000
	slow := bytewise(m, size)
	for _, r := range [][2]int64{{0, size}, {0, 0x200}, {0x1ff, 2}, {0x3ff, 0x402}, {0xbff, 2}, {0x900, 16}, {0xc00, 1}, {5, 0}} {
		got := slices.Repeat([]byte{Finished}, int(r[1]))
		for _, a := range m.Unread(r[0], r[1]) {
			for i := range a.Len {
				got[a.Off-r[0]+i] = a.Status
			}
		}
		if !bytes.Equal(got, slow[r[0]:r[0]+r[1]]) {
			t.Errorf("%v: %q, want %q", r, got, slow[r[0]:r[0]+r[1]])
		}
	}
	var b strings.Builder
	if err := m.Write(&b, "made\nhere\n"); err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(strings.NewReader(b.String())); err != nil || !slices.Equal(again, m) {
		t.Errorf("%v, %v of\n%s", again, err, b.String())
	}
	for _, bad := range []string{"", "# nothing\n", "0x0 +\n0x0 0x10 x\n", "0x0 +\n0x0 0 +\n", "0x0 +\n16 16 +\n8 8 +\n", "0x0 +\n0x0 0x7fffffffffffffff +\n0x10 1 -\n", "nonsense\n", "0 + 1\n0 -1 +\n", "0 + 1\n1_0 1 +\n", "0 + 1\n0 1\n"} {
		if m, err := Parse(strings.NewReader(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v, %v", bad, m, err)
		}
	}
}

// Overlapping areas are refused, the file of an older version without a pass is read.
func TestVersions(t *testing.T) {
	if _, err := Parse(strings.NewReader(written)); !errors.Is(err, ErrFormat) { // 01000 is octal: 512
		t.Errorf("overlap: %v", err)
	}
	if m, err := Parse(strings.NewReader("0x0 +\n0x0 0x10 +\n")); err != nil || len(m) != 1 {
		t.Errorf("%v, %v", m, err)
	}
}

func TestOver(t *testing.T) {
	data := make([]byte, 4096)
	for i := range data {
		data[i] = byte(i * 7)
	}
	m := Map{{0, 1024, '+'}, {1024, 512, '-'}, {1536, 1024, '+'}}
	slow := bytewise(m, int64(len(data)))
	r := m.Over(bytes.NewReader(data))
	for off := 0; off < len(data); off += 100 {
		for n := 0; n < len(data)-off; n += 300 {
			b := make([]byte, n)
			got, err := r.ReadAt(b, int64(off))
			whole := bytes.Count(slow[off:off+n], []byte{'+'}) == n
			if whole != (err == nil) || !bytes.Equal(b[:got], data[off:off+got]) || bytes.Count(slow[off:off+got], []byte{'+'}) != got {
				t.Fatalf("%d at %d: %d, %v", n, off, got, err)
			}
			if !whole && !errors.Is(err, ErrUnread) {
				t.Fatal(err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte("0 + 1\n0 0x10 +\n0x10 16 -\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(bytes.NewReader(b))
		if err != nil {
			if m != nil {
				t.Fatal("a map with an error")
			}
			return
		}
		var out bytes.Buffer
		if err := m.Write(&out, ""); err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(&out); err != nil || !slices.Equal(again, m) {
			t.Fatalf("%v, %v", again, err)
		}
	})
}

// Numbers are written as ddrescue writes them.
func TestNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 0xABCDEF, 1<<32 - 1, 1 << 32, 1<<36 - 1, 1 << 36, math.MaxInt64} {
		if got, want := string(hex(nil, n)), fmt.Sprintf("0x%08X", n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
