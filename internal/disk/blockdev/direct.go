// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"bctl/internal/hugepages"
)

// A device that the kernel uses is read past the page cache: what bcache and filesystems write does not pass the
// cache of the device itself, so a page that was read once would stay as it was then.

const (
	directAlign = 4096    // of memory; no device wants more
	directBytes = 1 << 20 // read at a time
)

// directBuffers are aligned.
var directBuffers = sync.Pool{New: func() any {
	b := Aligned(directBytes)
	return &b
}}

// Aligned is a buffer that is read into past the page cache without another copy. One of some MiB lies in huge pages where
// there are: any part of it is one piece of memory for the device then, which is half of the work for a virtual disk, and
// has it read twice as fast.
func Aligned(n int) []byte {
	b := hugepages.Make[byte](uint64(n))
	if offset(b)&(directAlign-1) != 0 {
		b = make([]byte, n+directAlign)
		b = b[-offset(b)&(directAlign-1):]
	}
	return b[:n:n]
}

// offset is where b stands in memory.
func offset(b []byte) int { return int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// bypass makes readers of d read past the page cache from here on, or empties it where that cannot be.
func (d *Device) bypass() {
	if f, err := d.openDirect(os.O_RDONLY); err == nil {
		d.direct = f
		return
	}
	// This needs root, and nothing tells whether it helped: the note that the device is in use must do.
	_ = d.control(func(fd uintptr) error { return unix.IoctlSetInt(int(fd), unix.BLKFLSBUF, 0) })
}

// openDirect opens the device again, past the page cache.
func (d *Device) openDirect(flags int) (*os.File, error) {
	f, err := os.OpenFile(d.path, flags|unix.O_NONBLOCK|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(d.info, now) {
		_ = f.Close()
		return nil, fmt.Errorf("%w: it was replaced while it was opened", ErrNotDevice)
	}
	return f, nil
}

// readDirect is ReadAt of f by way of aligned memory and whole blocks.
func (d *Device) readDirect(f *os.File, b []byte, off int64) (n int, err error) {
	if off >= d.size {
		return 0, io.EOF
	}
	if block := int64(d.logical); offset(b)&(directAlign-1) == 0 && (off|int64(len(b)))&(block-1) == 0 {
		return f.ReadAt(b, off)
	}
	buf := directBuffers.Get().(*[]byte)
	defer directBuffers.Put(buf)
	block := int64(d.logical)
	for n < len(b) {
		at := off + int64(n)
		start := at &^ (block - 1)
		skip := int(at - start)
		want := min(int64(directBytes), (int64(skip+len(b)-n)+block-1)&^(block-1))
		got, err := f.ReadAt((*buf)[:want], start)
		if got > skip {
			n += copy(b[n:], (*buf)[skip:got])
		}
		if n < len(b) && err != nil {
			return n, err
		}
	}
	return n, nil
}
