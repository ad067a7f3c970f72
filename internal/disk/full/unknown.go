// SPDX-License-Identifier: GPL-2.0-only

package full

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnknown says that a device is only partly there, and not at this place: a metadata image.
var ErrUnknown = errors.New("not in this metadata image, which has no data")

// UnknownError is ErrUnknown with the bytes that are not there, from Off up to before End.
type UnknownError struct{ Off, End int64 }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("bytes %d-%d: %v", e.Off, e.End-1, ErrUnknown)
}

// Is is for errors.Is(err, ErrUnknown).
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// Known is r for those who search: what a metadata image does not have holds nothing that they could look for, and reads
// as zero.
func Known(r io.ReaderAt) io.ReaderAt { return known{r} }

type known struct{ r io.ReaderAt }

// ReadAt is io.ReaderAt.
func (k known) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		got, err := k.r.ReadAt(b[n:], off+int64(n))
		n += got
		var gap *UnknownError
		if !errors.As(err, &gap) || gap.End <= off+int64(n) {
			return n, err
		}
		skip := int(min(int64(len(b)-n), gap.End-off-int64(n)))
		clear(b[n : n+skip])
		n += skip
	}
	return n, nil
}
