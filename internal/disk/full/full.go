// SPDX-License-Identifier: GPL-2.0-only

// Package full reads all of what was asked for or says why not.
package full

import (
	"errors"
	"io"
)

// ReadAt fills b with what stands at byte off of r. An error of r counts only where it kept bytes back; a device that
// ends before b is full is io.ErrUnexpectedEOF, for whoever asks has a superblock that says there is more.
func ReadAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
