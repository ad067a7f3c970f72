// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/superblock"
	"bctl/test/kernel/workload"
)

// A cache is a cache device read by bctl: what the contents of its volumes are computed from.
type cache struct {
	dev     *blockdev.Device
	uuids   []ondisk.UUIDEntry
	extents map[uint32][]ondisk.Bkey // live pieces by inode, in order
}

// openCache reads a cache device.
func openCache(t testing.TB, path string) *cache {
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
	var mu sync.Mutex
	read := &cache{dev: dev, uuids: c.UUIDs, extents: map[uint32][]ondisk.Bkey{}}
	err = c.Walk(func(_ int, e *inspect.Extent) {
		if e.Live {
			mu.Lock()
			defer mu.Unlock()
			read.extents[e.Inode()] = append(read.extents[e.Inode()], e.Bkey)
		}
	})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, list := range read.extents {
		slices.SortFunc(list, func(a, b ondisk.Bkey) int { return int(a.Offset()) - int(b.Offset()) })
	}
	return read
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

// inode finds the slot of a backing device.
func (c *cache) inode(t testing.TB, uuid ondisk.UUID) uint32 {
	t.Helper()
	i := slices.IndexFunc(c.uuids, func(u ondisk.UUIDEntry) bool { return u.UUID == uuid })
	if i < 0 {
		t.Fatalf("no slot holds %v", uuid)
	}
	return uint32(i)
}

// A volume is the bcache device of a backing device, or a flash-only one, as bctl puts it together: what lies below,
// overlaid with what the cache holds.
type volume struct {
	below      io.ReaderAt
	start, end int64 // bytes of below
	extents    []ondisk.Bkey
}

// backed is the volume of a backing device. One that is not attached is its data alone.
func (c *cache) backed(t testing.TB, path string) volume {
	t.Helper()
	dev := openDevice(t, path)
	super, err := superblock.Read(dev)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	v := volume{below: dev, start: superblock.DataOffset(super).Bytes(), end: dev.Size()}
	if super.State() != ondisk.StateNone {
		v.extents = c.extents[c.inode(t, super.UUID)]
	}
	return v
}

// sumBacked is the sha256 of the volume of a backing device.
func (c *cache) sumBacked(t testing.TB, path string) string { return c.sum(t, c.backed(t, path)) }

// sumFlash is the sha256 of a flash-only volume.
func (c *cache) sumFlash(t testing.TB, inode uint32) string {
	t.Helper()
	size := int64(c.uuids[inode].Sectors) * ondisk.SectorBytes
	return c.sum(t, volume{zeroes{}, 0, size, c.extents[inode]})
}

// zeroes lie below a flash-only volume.
type zeroes struct{}

func (zeroes) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

func (c *cache) sum(t testing.TB, v volume) string {
	t.Helper()
	h := sha256.New()
	if n, err := io.Copy(h, c.read(t, v)); err != nil || n != v.end-v.start {
		t.Fatalf("%d of %d bytes: %v", n, v.end-v.start, err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// read is the contents of a volume.
func (c *cache) read(t testing.TB, v volume) io.Reader {
	t.Helper()
	var parts []io.Reader
	at := v.start
	for _, k := range v.extents {
		from, to := k.Start().Bytes(), k.Offset().Bytes()
		if from < at || to > v.end {
			t.Fatalf("extent %v lies before %d or behind %d", k, at, v.end)
		}
		parts = append(parts, io.NewSectionReader(v.below, at, from-at), io.NewSectionReader(c.dev, k.Ptr[0].Offset().Bytes(), to-from))
		at = to
	}
	return io.MultiReader(append(parts, io.NewSectionReader(v.below, at, v.end-at))...)
}

// loose are the pieces of a volume in which clean data of the cache are not what the backing device has.
func (c *cache) loose(t testing.TB, v volume) map[int]bool {
	t.Helper()
	loose := map[int]bool{}
	for _, k := range v.extents {
		if k.Dirty() {
			continue
		}
		const sector = ondisk.SectorBytes
		for s := ondisk.Sector(0); s < k.Size(); s++ {
			var above, below [sector]byte
			_, err := c.dev.ReadAt(above[:], (k.Ptr[0].Offset() + s).Bytes())
			if _, err2 := v.below.ReadAt(below[:], (k.Start() + s).Bytes()); err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if above != below {
				loose[int(((k.Start()+s).Bytes()-v.start)/workload.Piece)] = true
			}
		}
	}
	return loose
}
