// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/signature"
	"bctl/internal/finding"
	"bctl/superblock"
)

func (d *Device) limits(now int64) superblock.Device {
	return superblock.Device{Size: d.Size, LogicalBlock: d.LogicalBlock, Now: now}
}

func (c *checker) superblock() {
	for _, f := range superblock.Check(c.super, c.dev.limits(c.o.Now)) {
		c.found.Add(finding.About(finding.Super{}, f.Code, "%v", f))
	}
	end := int64(c.super.FirstBucket) * superblock.BucketSectors(c.super).Bytes()
	c.signatures(&c.dev, finding.SBSignature, end, "")
}

// signatures looks for what udev or an installer may take the device for, before byte end: behind it lie data.
func (c *checker) signatures(d *Device, code finding.Code, end int64, name string) {
	found, err := signature.Probe(d.R, d.Size)
	if err != nil {
		return // whoever needs those bytes will say so
	}
	named := false
	for _, s := range found {
		if s.Offset < end && s.Offset != ondisk.SuperOffset+24 { // there stands our own magic, whatever is around it
			named = true
			c.found.Add(finding.About(finding.Bytes{Device: name, Offset: s.Offset}, code, "a signature of %s at byte %d", s.Name, s.Offset))
		}
	}
	head := make([]byte, ondisk.SuperOffset)
	if _, err := d.R.ReadAt(head, 0); err != nil || named {
		return
	}
	for i, b := range head {
		if b != 0 {
			c.found.Add(finding.About(finding.Bytes{Device: name, Offset: int64(i)}, code,
				"byte %d is not zero: something else wrote before the superblock, and udev may not register the device", i))
			return
		}
	}
}
