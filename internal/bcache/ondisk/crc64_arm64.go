// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import "golang.org/x/sys/cpu"

//go:noescape
func crcPmull(crc uint64, p *byte, n int, k *crcFolds) uint64

// crcFolders are the ways to fold that this processor has, the fastest first.
func crcFolders() []crcFolder {
	if !cpu.ARM64.HasPMULL {
		return nil
	}
	return []crcFolder{{"pmull", 64, crcPmull}}
}
