// SPDX-License-Identifier: GPL-2.0-only

package workload

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Piece is the size in bytes of what Pieces hashes one by one.
const Piece = 64 << 10

// Pieces are the sha256 of a device's pieces, in order; the last may be shorter.
func Pieces(r io.Reader) (sums []string, err error) {
	b := make([]byte, Piece)
	for {
		n, err := io.ReadFull(r, b)
		if n > 0 {
			sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(b[:n])))
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return sums, nil
		}
		if err != nil {
			return sums, err
		}
	}
}
