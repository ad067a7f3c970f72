// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"bytes"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// Read and Extents of whole leaves as the kernel left them: mostly one sorted bset, or many that were never compacted.
func BenchmarkLeaf(b *testing.B) {
	for _, c := range []struct {
		name, image string
		key         ondisk.Bkey
	}{
		{"3-bsets", "writeback-crash", leafKey(195072, 256, 2)},
		{"8-bsets", "fifo-full", leafKey(68864, 128, 2)},
		{"24-bsets", "two-backing-flash", leafKey(9216, 256, 1)},
	} {
		img := imgtest.Open(b, c.image)
		super, err := superblock.Read(bytes.NewReader(img.Read(0, 16384)))
		if err != nil {
			b.Fatal(err)
		}
		g, err := superblock.NewGeometry(super)
		if err != nil {
			b.Fatal(err)
		}
		size := int(c.key.Size().Bytes())
		dev := bytes.NewReader(img.Read(c.key.Ptr[0].Offset().Bytes(), size))
		rd := NewReader(shifted{dev, c.key.Ptr[0].Offset().Bytes()}, &g, func(f finding.Finding) { b.Fatal(f) })
		b.Run("read/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if n := rd.Read(c.key, 0); !n.Whole {
					b.Fatal("not whole")
				}
			}
		})
		b.Run("read+extents/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if n := rd.Read(c.key, 0); len(n.Extents()) < 1000 {
					b.Fatal("too few extents")
				}
			}
		})
	}
}

func leafKey(place, size ondisk.Sector, gen uint8) ondisk.Bkey {
	k := nodeKey(size)
	k.Ptr[0] = ondisk.MakePtr(gen, place, 0)
	return k
}

// shifted is a reader of which only what stands at by is there.
type shifted struct {
	r  *bytes.Reader
	by int64
}

func (s shifted) ReadAt(b []byte, at int64) (int, error) { return s.r.ReadAt(b, at-s.by) }
