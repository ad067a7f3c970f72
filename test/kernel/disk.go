// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"encoding/binary"
	"os"
	"testing"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// A joint disk holds a cache device and a backing device as two partitions, so that one write log puts the writes of
// both in order.
type jointDisk struct{ cache, back int64 } // sizes in bytes

const firstPartition = 1 * mib

func (d jointDisk) size() int64 { return firstPartition + d.cache + d.back }

// parts are the devices within an image of the disk.
func (d jointDisk) parts(image []byte) (cache, back []byte) {
	return image[firstPartition : firstPartition+d.cache], image[firstPartition+d.cache : d.size()]
}

// assemble makes an image of the disk from two files.
func (d jointDisk) assemble(t testing.TB, cachePath, backPath string) []byte {
	t.Helper()
	image := make([]byte, d.size())
	cache, back := d.parts(image)
	for path, part := range map[string][]byte{cachePath: cache, backPath: back} {
		b, err := os.ReadFile(path)
		if err != nil || len(b) != len(part) {
			t.Fatalf("%s: %d bytes, want %d: %v", path, len(b), len(part), err)
		}
		copy(part, b)
	}
	d.partition(image)
	return image
}

// partition writes an MBR: two entries of sixteen bytes, of which the type, the first sector and the count matter.
func (d jointDisk) partition(image []byte) {
	const table, linux = 446, 0x83
	starts, sizes := [2]int64{firstPartition, firstPartition + d.cache}, [2]int64{d.cache, d.back}
	for i := range starts {
		e := image[table+16*i:]
		e[4] = linux
		binary.LittleEndian.PutUint32(e[8:], uint32(starts[i]/512))
		binary.LittleEndian.PutUint32(e[12:], uint32(sizes[i]/512))
	}
	image[510], image[511] = 0x55, 0xaa
}
