// SPDX-License-Identifier: GPL-2.0-only

// Package planter plants damage into copies of bcache devices. It knows the format: it finds the
// newest journal entry, the prio chain, the uuid slots and every btree node, changes what it is told to, and mends
// the checksums that a real writer would have made right, so that a check gets past them to the damage itself.
//
// An Image is a device in memory: an original that nobody writes to, with the pages that were changed over it. Copies
// cost nothing, so each damage gets its own. A Cache reads an Image as a cache device. Make builds a registered cache
// from nothing, for shapes that no image at hand has.
package planter

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync/atomic"

	"bctl/internal/bcache/ondisk"
)

const pageBytes = 4096

// ErrIO is what reading a spot gives that Fail broke.
var ErrIO = errors.New("input/output error")

// An Image is a device: an original under the pages that were written since. Reads may go on in several goroutines;
// writes may not.
type Image struct {
	base    io.ReaderAt // nil: all zero
	size    int64
	pages   map[int64][]byte
	broken  []span
	written atomic.Int64
}

type span struct{ from, to int64 }

// NewImage is a device of size bytes that holds what base does; nil holds zeros.
func NewImage(base io.ReaderAt, size int64) *Image {
	return &Image{base: base, size: size, pages: map[int64][]byte{}}
}

// Copy is a device with the same contents. Neither sees what is then written to the other.
func (m *Image) Copy() *Image {
	c := NewImage(m.base, m.size)
	c.broken = slices.Clone(m.broken)
	for at, page := range m.pages {
		c.pages[at] = slices.Clone(page)
	}
	return c
}

// Size is in bytes.
func (m *Image) Size() int64 { return m.size }

// Resize cuts the device off, or makes it longer by zeros.
func (m *Image) Resize(size int64) { m.size = size }

// Fail makes every read that touches the n bytes at off an error, as a broken medium does.
func (m *Image) Fail(off, n int64) { m.broken = append(m.broken, span{off, off + n}) }

// Broken are the first sectors of the spots that fail.
func (m *Image) Broken() (sectors []int64) {
	for _, s := range m.broken {
		sectors = append(sectors, s.from/ondisk.SectorBytes)
	}
	return sectors
}

// Pages are the places, in bytes, of the pages of 4 KiB that were written to since the original, in order.
func (m *Image) Pages() []int64 { return slices.Sorted(maps.Keys(m.pages)) }

// Save writes the device to a new file, broken or not. What is zero stays a hole.
func (m *Image) Save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if m.base != nil {
		err = m.saveBase(f)
	}
	for at, page := range m.pages {
		if err == nil && at < m.size {
			_, err = f.WriteAt(page, at)
		}
	}
	return errors.Join(err, f.Truncate(m.size), f.Close())
}

func (m *Image) saveBase(f *os.File) error {
	var zero [64 << 10]byte
	b := make([]byte, len(zero))
	for at := int64(0); at < m.size; at += int64(len(b)) {
		n, err := m.base.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if bytes.Equal(b[:n], zero[:n]) {
			continue
		}
		if _, err := f.WriteAt(b[:n], at); err != nil {
			return err
		}
	}
	return nil
}

// Flush writes what was changed to w, which holds the original. What was cut off or broken does not show there.
func (m *Image) Flush(w io.WriterAt) error {
	for _, at := range slices.Sorted(maps.Keys(m.pages)) {
		if at >= m.size {
			break
		}
		if _, err := w.WriteAt(m.pages[at][:min(pageBytes, m.size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// ReadAt is io.ReaderAt.
func (m *Image) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("negative offset %d", off)
	}
	for _, s := range m.broken {
		if off < s.to && off+int64(len(b)) > s.from {
			return 0, ErrIO
		}
	}
	n := int(min(int64(len(b)), max(m.size-off, 0)))
	if err := m.fill(b[:n], off); err != nil {
		return 0, err
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// fill reads what the original holds, and lays the written pages over it.
func (m *Image) fill(b []byte, off int64) error {
	k := 0
	if m.base != nil {
		var err error
		if k, err = m.base.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	clear(b[k:])
	for at := off / pageBytes * pageBytes; at < off+int64(len(b)); at += pageBytes {
		if page, ok := m.pages[at]; ok {
			copy(b[max(at-off, 0):], page[max(off-at, 0):])
		}
	}
	return nil
}

// WriteAt is io.WriterAt.
func (m *Image) WriteAt(b []byte, off int64) (int, error) {
	m.written.Add(1)
	for n := 0; n < len(b); {
		at := (off + int64(n)) / pageBytes * pageBytes
		page, ok := m.pages[at]
		if !ok {
			page = make([]byte, pageBytes)
			if err := m.fill(page, at); err != nil {
				return n, err
			}
			m.pages[at] = page
		}
		n += copy(page[off+int64(n)-at:], b[n:])
	}
	return len(b), nil
}

// Sum changes when any byte that was ever written, or the size, does. The original has no way to change.
func (m *Image) Sum() string {
	h := sha256.New()
	fmt.Fprintln(h, m.size, m.written.Load())
	for _, at := range slices.Sorted(maps.Keys(m.pages)) {
		fmt.Fprintln(h, at)
		h.Write(m.pages[at])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Bytes returns n bytes from off on, broken or not; zeros behind the end.
func (m *Image) Bytes(off int64, n int) []byte {
	b := make([]byte, n)
	if err := m.fill(b, off); err != nil {
		panic(err) // the original is a file of our own
	}
	return b
}

// Put writes b at off.
func (m *Image) Put(off int64, b []byte) {
	if _, err := m.WriteAt(b, off); err != nil {
		panic(err) // the original is a file of our own
	}
}

// Edit hands n bytes to change, and writes back what it made of them. No checksum is mended.
func (m *Image) Edit(off int64, n int, change func(b []byte)) {
	b := m.Bytes(off, n)
	change(b)
	m.Put(off, b)
}

// Flip turns one bit over.
func (m *Image) Flip(off int64, bit uint) { m.Edit(off, 1, func(b []byte) { b[0] ^= 1 << bit }) }
