// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"errors"
	"io"
)

// ErrImage says that a file holds a device, or a part of one, in a form that is not written to.
var ErrImage = errors.New("a metadata image, which is not written to")

// Inside is a device that a file holds in another form than byte for byte.
type Inside struct {
	io.ReaderAt
	io.Closer
	Part         int // which of those in the file
	Size         int64
	LogicalBlock int
}

// Show makes d, which Open opened, show what its file holds, under the name path.
func (d *Device) Show(path string, in *Inside) {
	d.inside, d.path, d.size, d.logical = in, path, in.Size, in.LogicalBlock
}

// Shown is what Show was given, or nil.
func (d *Device) Shown() *Inside { return d.inside }

// File is the bytes of d's file themselves, whatever it shows.
func (d *Device) File() io.ReaderAt { return d.f }
