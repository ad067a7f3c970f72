// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"

	"bctl/test/kernel/workload"
)

// scratchName is the disk that the guest copies to what the host is to hash; it has room for all volumes of a boot.
const (
	scratchName = "scratch"
	scratchSize = 64 * gib
)

// newScratch makes the file behind the scratch disk, which is all hole.
func newScratch(path string) (Disk, error) {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return Disk{}, err
	}
	return Disk{Name: scratchName, Path: path}, os.Truncate(path, scratchSize)
}

// hash puts the sha256 of what was copied to the scratch disk in the place of the facts that say where it lies: one sum, or
// for a "piece." one for each piece, as Map reads them.
func (r *Report) hash(scratch string) error {
	f, err := os.Open(scratch)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, c := range r.Cases {
		for key, values := range c.Facts {
			var sums []string
			for _, v := range values {
				var start, size int64
				if n, _ := fmt.Sscanf(v, "copied:%d:%d", &start, &size); n != 2 {
					sums = append(sums, v)
					continue
				}
				more, err := sumsOf(io.NewSectionReader(f, start, size), strings.HasPrefix(key, "piece."))
				if err != nil {
					return err
				}
				sums = append(sums, more...)
			}
			c.Facts[key] = sums
		}
	}
	return nil
}

// sumsOf is one sum of all, or a line "NUMBER SUM" for each piece.
func sumsOf(r io.Reader, pieces bool) (sums []string, err error) {
	if !pieces {
		h := sha256.New()
		_, err := io.Copy(h, r)
		return []string{fmt.Sprintf("%x", h.Sum(nil))}, err
	}
	list, err := workload.Pieces(r)
	for i, sum := range list {
		sums = append(sums, fmt.Sprint(i, " ", sum))
	}
	return sums, err
}
