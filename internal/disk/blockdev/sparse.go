// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Data is the first run of bytes at off or behind that may hold anything but zeroes: of a sparse file what lies between
// two holes, of anything else all there is. It is empty where there is none.
func (d *Device) Data(off int64) (from, to int64) {
	from, to = off, max(off, d.size)
	if d.inside != nil || !d.info.Mode().IsRegular() {
		return from, to
	}
	_ = d.control(func(fd uintptr) error {
		at, err := unix.Seek(int(fd), off, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO):
			from = to
			return nil
		case err != nil:
			return err // it knows nothing of holes
		}
		if from = at; from >= to {
			from = to
			return nil
		}
		if end, err := unix.Seek(int(fd), from, unix.SEEK_HOLE); err == nil && end > from {
			to = min(to, end)
		}
		return nil
	})
	return from, to
}
