// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/superblock"
	"bctl/test/kernel/workload"
)

// A cache is a cache device read by bctl: what the contents of its volumes are put together from.
type cache struct{ *inspect.Cache }

// openCache reads a cache device.
func openCache(t testing.TB, path string) cache {
	t.Helper()
	dev := openDevice(t, path)
	super, err := superblock.Read(dev)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	c, err := inspect.Open(t.Context(), dev, super, inspect.Options{Size: dev.Size(), Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return cache{c}
}

func openDevice(t testing.TB, path string) *blockdev.Device {
	t.Helper()
	dev, err := blockdev.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

// backed is the volume of a backing device.
func (c cache) backed(t testing.TB, path string, o volume.Options) *volume.Volume {
	t.Helper()
	dev := openDevice(t, path)
	v, err := volume.Backed(c.Cache, dev, dev.Size(), o)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// sumBacked is the sha256 of the volume of a backing device.
func (c cache) sumBacked(t testing.TB, path string) string {
	t.Helper()
	return sum(t, c.backed(t, path, volume.Options{}))
}

// sumFlash is the sha256 of a flash-only volume.
func (c cache) sumFlash(t testing.TB, inode uint32) string {
	t.Helper()
	v, err := volume.Flash(c.Cache, inode, volume.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return sum(t, v)
}

func sum(t testing.TB, v *volume.Volume) string {
	t.Helper()
	h := sha256.New()
	if n, err := v.WriteTo(h); err != nil || n != v.Size() {
		t.Fatalf("%d of %d bytes: %v", n, v.Size(), err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// pieces are the sums of a volume's pieces.
func pieces(t testing.TB, v *volume.Volume) []string {
	t.Helper()
	sums, err := workload.Pieces(io.NewSectionReader(v, 0, v.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// loose are the pieces of a volume in which clean data of the cache are not what the backing device has.
func (c cache) loose(t testing.TB, path string) map[int]bool {
	t.Helper()
	loose := map[int]bool{}
	below := pieces(t, c.backed(t, path, volume.Options{DirtyOnly: true}))
	for i, sum := range pieces(t, c.backed(t, path, volume.Options{})) {
		if sum != below[i] {
			loose[i] = true
		}
	}
	return loose
}
