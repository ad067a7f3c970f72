// SPDX-License-Identifier: GPL-2.0-only

package inspect

import "bctl/internal/bcache/ondisk"

// A Source is where a key leads, however it is cut. Keys that were written one behind the other may share it.
type Source struct {
	Inode uint32
	Ahead ondisk.Sector // of the place on the cache before that in the volume
	Gen   uint8
}

// SourceOf is a key's; k has a pointer.
func SourceOf(k *ondisk.Bkey) Source {
	return Source{k.Inode(), k.Ptr[0].Offset() - k.Start(), k.Ptr[0].Gen()}
}
