// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"slices"
	"testing"

	"bctl/inspect"
	"bctl/internal/disk/mapfile"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// A domain is the same however much is looked at at a time, covers all of the device, and holds the extents that it should.
func TestDomainInParts(t *testing.T) {
	for _, name := range []string{"fifo-full", "two-backing-flash"} {
		f, size := imgtest.File(t, name)
		dev := &Source{Name: name, R: f, Size: size, LogicalBlock: 512}
		s, err := superblock.Read(dev.R)
		if err != nil {
			t.Fatal(err)
		}
		c, err := inspect.Open(t.Context(), dev.R, s, inspect.Options{Size: dev.Size, Sink: func(finding.Finding) {}})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []Domain{{Metadata: true}, {Dirty: true}, {Cached: true}, {Metadata: true, Dirty: true}} {
			var whole mapfile.Map
			for _, part := range []int64{0, 1 << 20} {
				var m mapfile.Map
				err := d.Areas(t.Context(), dev, Options{part: part}, func(a mapfile.Area) error {
					m = append(m, a)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if whole == nil {
					whole = m
				} else if !slices.Equal(m, whole) {
					t.Errorf("%s, %+v: in parts %d areas, at once %d", name, d, len(m), len(whole))
				}
			}
			at := int64(0)
			for i, a := range whole {
				if a.Off != at || a.Len <= 0 || i > 0 && a.Status == whole[i-1].Status {
					t.Fatalf("%s, %+v: %+v behind byte %d", name, d, a, at)
				}
				at += a.Len
			}
			if at != dev.Size {
				t.Errorf("%s, %+v: up to byte %d of %d", name, d, at, dev.Size)
			}
			for e, err := range c.Extents(inspect.Everything) {
				if err != nil {
					t.Fatal(err)
				}
				want := e.Live && (d.Cached || d.Dirty && e.Dirty())
				if want && len(whole.Unread(e.Ptr[0].Offset().Bytes(), e.Size().Bytes())) > 0 {
					t.Errorf("%s, %+v: lacks some of %v", name, d, e.Bkey)
				}
			}
		}
	}
}
