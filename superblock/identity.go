// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"errors"

	"bctl/internal/bcache/ondisk"
)

// Unrecognised is why the kernel would not take s for a superblock of bcache's at all; nothing if it would.
func Unrecognised(s *ondisk.Super) (faults []Fault) {
	for _, fault := range Check(s, Device{}) {
		for _, identity := range []error{ErrChecksum, ErrMagic, ErrOffset, ErrVersion} {
			if errors.Is(fault, identity) {
				faults = append(faults, fault)
			}
		}
	}
	return faults
}
