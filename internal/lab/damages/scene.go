// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"encoding/binary"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/planter"
)

// Now is a time behind that of all images, in seconds since 1970: what fsck is to take for the present.
const Now = 2000000000

// A Scene is a private copy of an image, to plant damage in, and how it is to be checked.
type Scene struct {
	*planter.Cache
	Back    []*planter.Image // the backing devices there are
	Give    int              // how many of them fsck gets
	Main    *planter.Image   // what is checked: the cache, unless the damage says otherwise
	Logical int              // logical block size of the device in bytes; 0: 512
	Verify  bool             // whether clean data are compared with the backing device's
}

// New makes a scene of a sound cache and its backing devices, which are changed where they are.
func New(c *planter.Cache, back ...*planter.Image) *Scene {
	return &Scene{Cache: c, Back: back, Main: c.Image}
}

// Shorthands for the tables.
type sectors = ondisk.Sector

var le = binary.LittleEndian
