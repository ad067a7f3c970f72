// SPDX-License-Identifier: GPL-2.0-only

// Package mapfile reads and writes the mapfiles of GNU ddrescue, which say what of a device was copied:
//
//	# comment
//	0x00120000     ?               1          where it is, what it does there, and in which pass
//	0x00000000  0x00117000  +                 from where, how many bytes, and what of them
//	0x00117000  0x00000200  -
//
// + was read, - cannot be, and ?, * and / were not tried, or not to the end. An area that no line names was not tried.
package mapfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// What can be wrong.
var (
	ErrFormat = errors.New("not a mapfile of ddrescue")
	ErrUnread = errors.New("ddrescue did not read it")
)

// The statuses of an area.
const (
	Untried   = '?'
	Untrimmed = '*'
	Unscraped = '/'
	Bad       = '-'
	Finished  = '+'
)

const statuses = "?*/-+"

// An Area is a run of bytes of one status.
type Area struct {
	Off, Len int64
	Status   byte
}

// A Map is areas, in order, none over another.
type Map []Area

// most bounds how many areas a file may have: of a disk that bad nothing is left.
const most = 1 << 24

// Parse reads a mapfile. Errors wrap ErrFormat, or are r's.
func Parse(r io.Reader) (Map, error) {
	lines := bufio.NewScanner(r)
	var m Map
	end, current := int64(0), false
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 0 || words[0][0] == '#':
			continue
		case !current: // where ddrescue is
			current = true
			if len(words) < 2 || len(words) > 3 || !number(words[0], new(int64)) || len(words[1]) != 1 {
				return nil, fmt.Errorf("%w: line %d", ErrFormat, n)
			}
			continue
		}
		var a Area
		if len(words) != 3 || !number(words[0], &a.Off) || !number(words[1], &a.Len) || len(words[2]) != 1 ||
			!strings.Contains(statuses, words[2]) || a.Off < end || a.Len < 1 || a.Len > math.MaxInt64-a.Off || len(m) == most {
			return nil, fmt.Errorf("%w: line %d", ErrFormat, n)
		}
		a.Status = words[2][0]
		m, end = append(m, a), a.Off+a.Len
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("%w: a line without end", ErrFormat)
		}
		return nil, err
	}
	if !current {
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	}
	return m, nil
}

// number reads what C takes for one: decimal, octal behind 0, hexadecimal behind 0x.
func number(s string, n *int64) (ok bool) {
	if strings.ContainsAny(s, "_+-") {
		return false
	}
	v, err := strconv.ParseInt(s, 0, 64)
	*n = v
	return err == nil
}

// Write writes a mapfile, with comment as its first lines.
func (m Map) Write(w io.Writer, comment string) error {
	return Write(w, comment, func(area func(Area) error) error {
		for _, a := range m {
			if err := area(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// Write writes a mapfile of the areas that all hands to its argument, in order, with comment as its first lines. Errors:
// those of all and w's.
func Write(w io.Writer, comment string, all func(area func(Area) error) error) error {
	b := bufio.NewWriter(w)
	for line := range strings.Lines(comment) {
		fmt.Fprintf(b, "# %s\n", strings.TrimSuffix(line, "\n"))
	}
	fmt.Fprintf(b, "0x%08X     ?               1\n#      pos        size  status\n", 0)
	err := all(func(a Area) error { // of a large cache there are millions
		line := append(hex(b.AvailableBuffer(), a.Off), "  "...)
		_, err := b.Write(append(hex(line, a.Len), ' ', ' ', a.Status, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// hex appends a number, which is not negative, as "0x%08X" has it.
func hex(b []byte, n int64) []byte {
	digits := max(8, (bits.Len64(uint64(n))+3)/4)
	b = append(b, "0x"...)
	for i := digits - 1; i >= 0; i-- {
		b = append(b, "0123456789ABCDEF"[n>>(4*i)&15])
	}
	return b
}

// Unread are the parts of n bytes from off on that were not read, in order.
func (m Map) Unread(off, n int64) (out []Area) {
	end := off + n
	i := sort.Search(len(m), func(i int) bool { return m[i].Off+m[i].Len > off })
	for at := off; at < end; i++ {
		next := end
		if i < len(m) {
			next = min(end, max(m[i].Off, at))
		}
		if at < next {
			out = add(out, Area{at, next - at, Untried})
		}
		if i == len(m) || next == end {
			break
		}
		at = min(end, m[i].Off+m[i].Len)
		if m[i].Status != Finished {
			out = add(out, Area{next, at - next, m[i].Status})
		}
	}
	return out
}

// add joins what is one.
func add(list []Area, a Area) []Area {
	if n := len(list); n > 0 && list[n-1].Off+list[n-1].Len == a.Off && list[n-1].Status == a.Status {
		list[n-1].Len += a.Len
		return list
	}
	return append(list, a)
}

// Joined is m with neighbours of one status made one.
func (m Map) Joined() (out Map) {
	for _, a := range slices.All(m) {
		out = add(out, a)
	}
	return out
}

// Over is a copy of a device as far as the map says that it was read. What was not is an error, never what the copy
// holds there.
func (m Map) Over(r io.ReaderAt) io.ReaderAt { return &known{m, r} }

type known struct {
	m Map
	r io.ReaderAt
}

// ReadAt is io.ReaderAt. Errors wrap ErrUnread.
func (k *known) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 || int64(len(b)) > math.MaxInt64-off {
		return 0, fmt.Errorf("%d bytes at %d: %w", len(b), off, ErrUnread)
	}
	bad := k.m.Unread(off, int64(len(b)))
	if len(bad) == 0 {
		return k.r.ReadAt(b, off)
	}
	if head := bad[0].Off - off; head > 0 {
		if n, err = k.r.ReadAt(b[:head], off); err != nil {
			return n, err
		}
	}
	return n, fmt.Errorf("byte %d: %w", off+int64(n), ErrUnread)
}
