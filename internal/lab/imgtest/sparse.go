// SPDX-License-Identifier: GPL-2.0-only

package imgtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

const (
	chunk    = 1 << 20 // what is read at once
	grain    = 4096    // what is a hole or not: a page of the filesystem
	seekData = 3       // SEEK_DATA and SEEK_HOLE of lseek(2)
	seekHole = 4
)

var zeros [grain]byte

// An original is an unpacked image that the copies are made from: an unlinked file.
type original struct {
	once sync.Once
	f    *os.File
	size int64
	err  error
}

var (
	originalsMu sync.Mutex
	originals   = map[string]*original{}
)

// unpackTo makes path a sparse copy of the packed file.
func unpackTo(path, packed string) error {
	originalsMu.Lock()
	o := originals[packed]
	if o == nil {
		o = new(original)
		originals[packed] = o
	}
	originalsMu.Unlock()
	o.once.Do(func() {
		if o.f, o.size, o.err = unpack(packed); o.err != nil {
			o.err = fmt.Errorf("%s: %w", packed, o.err)
		}
	})
	if o.err != nil {
		return o.err
	}
	return copySparse(path, o.f, o.size)
}

// unpack decompresses into a file without a name.
func unpack(packed string) (f *os.File, size int64, err error) {
	in, err := os.Open(packed)
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, 0, err
	}
	defer z.Close()
	if f, err = os.CreateTemp("", "imgtest-*"); err != nil {
		return nil, 0, err
	}
	if err = os.Remove(f.Name()); err == nil {
		size, err = writeSparse(f, z)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// writeSparse writes what r holds, and leaves holes where it is zero.
func writeSparse(f *os.File, r io.Reader) (size int64, err error) {
	buf := make([]byte, chunk)
	for {
		n, err := io.ReadFull(r, buf)
		if werr := eachGrain(size, buf[:n], writer(f)); werr != nil {
			return 0, werr
		}
		size += int64(n)
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return size, f.Truncate(size)
		default:
			return 0, err
		}
	}
}

// copySparse copies an original; the file at path must not be there yet.
func copySparse(path string, from *os.File, size int64) error {
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = eachData(from, size, writer(to))
	if err == nil {
		err = to.Truncate(size)
	}
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	return err
}

// A visit is called for every grain that is not zero.
type visit func(off int64, b []byte) error

func writer(f *os.File) visit {
	return func(off int64, b []byte) error {
		_, err := f.WriteAt(b, off)
		return err
	}
}

// eachGrain visits the grains of b, which stands at off. Grains lie at multiples of their size.
func eachGrain(off int64, b []byte, do visit) error {
	for len(b) > 0 {
		n := min(grain, len(b))
		if !bytes.Equal(b[:n], zeros[:n]) {
			if err := do(off, b[:n]); err != nil {
				return err
			}
		}
		off, b = off+int64(n), b[n:]
	}
	return nil
}

// eachData visits the grains of f, in order. Holes are not read.
func eachData(f *os.File, size int64, do visit) error {
	buf := make([]byte, chunk)
	for off := int64(0); off < size; {
		start, end := nextData(f, off, size)
		for off = start; off < end; {
			n := min(end-off, chunk)
			if _, err := f.ReadAt(buf[:n], off); err != nil {
				return err
			}
			if err := eachGrain(off, buf[:n], do); err != nil {
				return err
			}
			off += n
		}
	}
	return nil
}

// seekMu guards the position of an original: copies of it may be made side by side.
var seekMu sync.Mutex

// nextData finds the first data at or behind off, as [start, end) widened to whole grains. It is [size, size) where
// only a hole follows, and all the rest on a filesystem that knows no holes.
func nextData(f *os.File, off, size int64) (start, end int64) {
	seekMu.Lock()
	defer seekMu.Unlock()
	start, err := f.Seek(off, seekData)
	if errors.Is(err, syscall.ENXIO) {
		return size, size
	}
	if err != nil {
		return off, size
	}
	if end, err = f.Seek(start, seekHole); err != nil {
		end = size
	}
	start = max(off, start/grain*grain)
	return start, min((end+grain-1)/grain*grain, size)
}
