// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"fmt"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// sealJset makes a journal entry, in whole blocks.
func sealJset(g *superblock.Geometry, j *ondisk.Jset) ([]byte, error) {
	b, err := j.Sealed(g.SetMagic)
	if err != nil {
		return nil, fmt.Errorf("journal entry %d: %w", j.Seq, err)
	}
	return g.Pad(b), nil
}
