// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package disk

import (
	"fmt"

	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/metaimage"
)

// inside is what a metadata image has of device part, or nil where d is none.
func inside(d *blockdev.Device, part int) (*blockdev.Inside, error) {
	b := make([]byte, metaimage.MagicBytes)
	if n, _ := d.ReadAt(b, 0); d.IsBlock() || !metaimage.Is(b[:n]) {
		return nil, nil
	}
	m, err := metaimage.Open(d.File(), d.Size())
	if err != nil {
		return nil, err
	}
	if part >= len(m.Devices) {
		_ = m.Close()
		return nil, fmt.Errorf("the image has %d devices, from #0 on", len(m.Devices))
	}
	v := m.View(part)
	return &blockdev.Inside{ReaderAt: v, Closer: m, Part: part, Size: v.Size, LogicalBlock: v.LogicalBlock}, nil
}
