package kernel

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"bctl/inspect"
	"bctl/internal/blockdev"
	"bctl/internal/finding"
	"bctl/internal/ondisk"
	"bctl/superblock"
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

// sumBacked is the sha256 of the bcache device of a backing device: its data, overlaid with what the cache holds.
// A backing device that is not attached is its data alone.
func (c *cache) sumBacked(t testing.TB, path string) string {
	t.Helper()
	dev := openDevice(t, path)
	super, err := superblock.Read(dev)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	start := int64(superblock.DataOffset(super)) * ondisk.SectorBytes
	var list []ondisk.Bkey
	if super.State() != ondisk.StateNone {
		list = c.extents[c.inode(t, super.UUID)]
	}
	return c.sum(t, io.NewSectionReader(dev, 0, dev.Size()), start, dev.Size(), list)
}

// sumFlash is the sha256 of a flash-only volume.
func (c *cache) sumFlash(t testing.TB, inode uint32) string {
	t.Helper()
	size := int64(c.uuids[inode].Sectors) * ondisk.SectorBytes
	return c.sum(t, zeroes{}, 0, size, c.extents[inode])
}

// zeroes lie below a flash-only volume.
type zeroes struct{}

func (zeroes) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

// sum hashes [start, end) of below, overlaid with the extents.
func (c *cache) sum(t testing.TB, below io.ReaderAt, start, end int64, list []ondisk.Bkey) string {
	t.Helper()
	h := sha256.New()
	hash := func(r io.ReaderAt, off, n int64) {
		if n > 0 {
			if got, err := io.Copy(h, io.NewSectionReader(r, off, n)); err != nil || got != n {
				t.Fatalf("%d of %d bytes at %d: %v", got, n, off, err)
			}
		}
	}
	at := start
	for _, k := range list {
		from, to := int64(k.Offset()-k.Size())*ondisk.SectorBytes, int64(k.Offset())*ondisk.SectorBytes
		if from < at || to > end {
			t.Fatalf("extent %v lies before %d or behind %d", k, at, end)
		}
		hash(below, at, from-at)
		hash(c.dev, int64(k.Ptr[0].Offset())*ondisk.SectorBytes, to-from)
		at = to
	}
	hash(below, at, end-at)
	return fmt.Sprintf("%x", h.Sum(nil))
}
