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

// signatures looks for what udev or an installer may take the device for: before byte end, for behind it lie data, and
// where the place is told from the end of the device. A copy of a GPT there misleads nobody: blkid reads on.
func (c *checker) signatures(d *Device, code finding.Code, end int64, name string) {
	found, err := signature.Probe(d.R, d.Size)
	if err != nil {
		return // whoever needs those bytes will say so
	}
	named := false
	atEnd := map[string]bool{} // one of zfs has a hundred
	for _, s := range found {
		switch {
		case s.Offset == ondisk.SuperOffset+24: // there stands our own magic, whatever is around it
		case s.Offset < end:
			named = true
			c.found.Add(finding.About(finding.Bytes{Device: name, Offset: s.Offset}, code, "a signature of %s at byte %d", s.Name, s.Offset))
		case s.End && s.Name != "gpt copy" && !atEnd[s.Name]:
			atEnd[s.Name] = true
			c.found.Add(finding.About(finding.Bytes{Device: name, Offset: s.Offset}, code, "a signature of %s at byte %d, near the end", s.Name, s.Offset))
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
