// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// PastCache reports whether ReadMedium and WriteMedium go past the page cache.
func (d *Device) PastCache() bool { return d.direct != nil || d.pastCache() != nil }

// WriteMedium is WriteAt past the page cache, of whole blocks in memory of Aligned; of whatever else it is WriteAt. A block
// is not written both ways at a time.
func (d *Device) WriteMedium(b []byte, off int64) (int, error) {
	block := max(d.logical, SectorBytes)
	if d.w == nil || (off|int64(len(b))|int64(offset(b)))&int64(block-1) != 0 || !d.PastCache() {
		return d.WriteAt(b, off)
	}
	d.writeOnce.Do(func() {
		if f, err := d.openDirect(os.O_WRONLY); err == nil {
			d.past = f
		}
	})
	if d.past == nil {
		return d.WriteAt(b, off)
	}
	n, err := d.past.WriteAt(b, off)
	switch {
	case errors.Is(err, unix.EINVAL): // not of this size
		return d.WriteAt(b, off)
	case err != nil:
		err = atPath(d.path, err)
	}
	return n, err
}

// ReadMedium is ReadAt past the page cache: what comes back is what the medium holds, and where it cannot be read, only
// the blocks that cannot. What does not read that way is read as ever, with its cached copy forgotten first where that can
// be; of a file of tmpfs there is nothing but that copy.
func (d *Device) ReadMedium(b []byte, off int64) (int, error) {
	f := d.direct
	if f == nil {
		f = d.pastCache()
	}
	if f == nil && d.memory {
		return d.ReadAt(b, off)
	}
	if f == nil {
		if d.w != nil { // what was written and is not on the medium yet is not forgotten either
			_ = control(d.w, func(fd uintptr) error { return unix.SyncFileRange(int(fd), off, int64(len(b)), syncRange) })
		}
		d.Forget(off, int64(len(b)))
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
		d.memory = d.inMemory()
		if d.memory {
			return
		}
		f, err := d.openDirect(os.O_RDONLY)
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

const syncRange = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER

// InMemory reports whether d is a file that has no medium: its pages are all there is.
func (d *Device) InMemory() bool { return d.pastCache() == nil && d.memory }

// inMemory reports whether d is a file that has no medium: the flag is taken there, and means nothing.
func (d *Device) inMemory() (yes bool) {
	_ = d.control(func(fd uintptr) error {
		var st unix.Statfs_t
		err := unix.Fstatfs(int(fd), &st)
		magic := uint32(st.Type) // of more bits on some machines
		yes = err == nil && !d.IsBlock() && (magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC)
		return err
	})
	return yes
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

// Want has the system begin to read n bytes from off on, which are read soon, and does not wait. Nothing depends on it.
func (d *Device) Want(off, n int64) {
	if d.direct == nil && d.Shown() == nil {
		_ = d.control(func(fd uintptr) error { return unix.Fadvise(int(fd), off, n, unix.FADV_WILLNEED) })
	}
}

// Forget tells the system that n bytes from off on, which were read, are not wanted again. Nothing depends on it.
func (d *Device) Forget(off, n int64) {
	_ = d.control(func(fd uintptr) error { return unix.Fadvise(int(fd), off, n, unix.FADV_DONTNEED) })
}
