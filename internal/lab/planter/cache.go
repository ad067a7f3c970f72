// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// A Cache is a cache device on an Image, to be damaged. Geo is what the superblock said when it was opened: sizes and
// places stay those of the sound device, whatever is done to it.
type Cache struct {
	*Image
	Geo superblock.Geometry

	tb TB
}

// Open takes img for a sound cache device.
func Open(tb TB, img *Image) *Cache {
	tb.Helper()
	c := &Cache{Image: img, tb: tb}
	g, err := superblock.NewGeometry(c.Super())
	if err != nil {
		tb.Fatal(err)
	}
	c.Geo = g
	return c
}

// ReadSuper decodes the superblock of any device.
func ReadSuper(m *Image) *ondisk.Super {
	s, err := ondisk.DecodeSuper(m.Bytes(ondisk.SuperOffset, ondisk.SuperSize))
	if err != nil {
		panic(err) // the size is right
	}
	return s
}

// EditSuper changes the superblock of any device and mends its checksum.
func EditSuper(m *Image, change func(*ondisk.Super)) {
	s := ReadSuper(m)
	change(s)
	s.Csum = s.Checksum()
	m.Put(ondisk.SuperOffset, s.Append(nil))
}

// Super decodes the superblock.
func (c *Cache) Super() *ondisk.Super { return ReadSuper(c.Image) }

// EditSuper changes the superblock and mends its checksum.
func (c *Cache) EditSuper(change func(*ondisk.Super)) { EditSuper(c.Image, change) }

// SetJournal says where the journal buckets stand: n of them, from first on.
func SetJournal(s *ondisk.Super, first, n int) {
	s.FirstBucket, s.Keys = uint16(first), uint16(n)
	clear(s.D[:])
	for i := range min(n, len(s.D)) {
		s.D[i] = uint64(first + i)
	}
}

func (c *Cache) at(b ondisk.Bucket) int64 { return c.Geo.Start(b).Bytes() }

// PutBucket writes b at the start of a bucket.
func (c *Cache) PutBucket(at ondisk.Bucket, b []byte) { c.Put(c.at(at), b) }

// Wipe makes a bucket all zero.
func (c *Cache) Wipe(b ondisk.Bucket) { c.PutBucket(b, make([]byte, c.Geo.BucketSectors.Bytes())) }

// FailBucket breaks a bucket.
func (c *Cache) FailBucket(b ondisk.Bucket) { c.Fail(c.at(b), c.Geo.BucketSectors.Bytes()) }

// CopyBucket writes what bucket from holds over bucket to.
func (c *Cache) CopyBucket(to, from ondisk.Bucket) {
	c.PutBucket(to, c.Bytes(c.at(from), int(c.Geo.BucketSectors.Bytes())))
}

// roundUp is n in whole blocks.
func (c *Cache) roundUp(n int) int {
	block := int(c.Geo.BlockSectors.Bytes())
	return (n + block - 1) / block * block
}

// putBlocks writes b at a sector and zeros up to the end of its last block.
func (c *Cache) putBlocks(at ondisk.Sector, b []byte) {
	c.Put(at.Bytes(), append(b, make([]byte, c.roundUp(len(b))-len(b))...))
}
