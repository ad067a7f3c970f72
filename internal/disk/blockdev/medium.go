// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"os"

	"golang.org/x/sys/unix"
)

// ReadMedium is ReadAt past the page cache: what comes back is what the medium holds, and where it cannot be read, only
// the blocks that cannot. What does not read that way, as a file of tmpfs, is read as ever, with its cached copy
// forgotten first where that can be.
func (d *Device) ReadMedium(b []byte, off int64) (int, error) {
	f := d.direct
	if f == nil {
		f = d.pastCache()
	}
	if f == nil {
		_ = d.control(func(fd uintptr) error { return unix.Fadvise(int(fd), off, int64(len(b)), unix.FADV_DONTNEED) })
		return d.ReadAt(b, off)
	}
	n, err := d.readDirect(f, b, off)
	if err != nil {
		err = atPath(d.path, err)
	}
	return n, err
}

// pastCache is a handle past the page cache, opened when it is first needed; nil where there is none.
func (d *Device) pastCache() *os.File {
	d.mediumOnce.Do(func() {
		f, err := d.openDirect()
		if err != nil {
			return
		}
		var probe [1]byte
		if _, err := d.readDirect(f, probe[:], 0); err != nil && d.size > 0 { // some take the flag, and then refuse
			_ = f.Close()
			return
		}
		d.medium = f
	})
	return d.medium
}

// StartWriting has the device begin to write n bytes from off on, which were written to the page cache, and does not
// wait. Nothing depends on it.
func (d *Device) StartWriting(off, n int64) {
	if d.w != nil {
		_ = control(d.w, func(fd uintptr) error {
			return unix.SyncFileRange(int(fd), off, n, unix.SYNC_FILE_RANGE_WRITE)
		})
	}
}

// Forget tells the system that n bytes from off on, which were read, are not wanted again. Nothing depends on it.
func (d *Device) Forget(off, n int64) {
	_ = d.control(func(fd uintptr) error { return unix.Fadvise(int(fd), off, n, unix.FADV_DONTNEED) })
}
