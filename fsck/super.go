// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/signature"
	"bctl/internal/finding"
	"bctl/superblock"
)

// cacheCodes says which finding a fault of a cache's superblock is.
var cacheCodes = []faultCode{
	{superblock.ErrOffset, finding.SBOffset},
	{superblock.ErrMagic, finding.SBMagic},
	{superblock.ErrChecksum, finding.SBChecksum},
	{superblock.ErrUUID, finding.SBUUID},
	{superblock.ErrBlockLogical, finding.SBBlockLogical},
	{superblock.ErrVersion, finding.SBVersion},
	{superblock.ErrCompat, finding.SBFeatures},
	{superblock.ErrROCompat, finding.SBFeatures},
	{superblock.ErrIncompat, finding.SBFeatures},
	{superblock.ErrJournalCount, finding.SBJournalBuckets},
	{superblock.ErrJournalOrder, finding.SBJournalBuckets},
	{superblock.ErrJournalEnd, finding.SBJournalEnd},
	{superblock.ErrTooManyBuckets, finding.SBNBuckets},
	{superblock.ErrFewBuckets, finding.SBNBuckets},
	{superblock.ErrCacheSmall, finding.SBNBuckets},
	{superblock.ErrBlockSize, finding.SBBlock},
	{superblock.ErrBlockPage, finding.SBBlock},
	{superblock.ErrBucketSize, finding.SBBucket},
	{superblock.ErrBucketPage, finding.SBBucket},
	{superblock.ErrBucketLog, finding.SBBucket},
	{superblock.ErrBucketBlocks, finding.SBBucketBlocks},
	{superblock.ErrDeviceSmall, finding.SBDeviceSmall},
	{superblock.ErrSetUUID, finding.SBSetUUID},
	{superblock.ErrNrInSet, finding.SBNrInSet},
	{superblock.ErrFirstBucket, finding.SBFirstBucket},
	{superblock.ErrReplacement, finding.SBReplacement},
	{superblock.ErrManyCaches, finding.SBManyCaches},
	{superblock.ErrObsolete, finding.SBObsolete},
	{superblock.ErrJournalOdd, finding.SBJournalOdd},
	{superblock.ErrFirstOdd, finding.SBFirstOdd},
	{superblock.ErrGrown, finding.SBGrown},
	{superblock.ErrLeftovers, finding.SBLeftovers},
	{superblock.ErrOldUUIDs, finding.SBOldUUIDs},
	{superblock.ErrLargePages, finding.SBPages},
	{superblock.ErrDiscardSet, finding.SBDiscard},
	{superblock.ErrLabel, finding.SBLabel},
	{superblock.ErrMountTime, finding.SBLabel},
	{superblock.ErrSeqZero, finding.SBLabel},
}

func (d *Device) limits(now int64) superblock.Device {
	return superblock.Device{Size: d.Size, LogicalBlock: d.LogicalBlock, Now: now}
}

func (c *checker) superblock() {
	for _, err := range superblock.Check(c.super, c.dev.limits(c.o.Now)) {
		c.found.Add(finding.New(codeOf(cacheCodes, err), "superblock: %v", err).At(ondisk.SuperSector))
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
			f := finding.New(code, "a signature of %s at byte %d", s.Name, s.Offset)
			f.Device = name
			c.found.Add(f.At(ondisk.Sector(s.Offset / ondisk.SectorBytes)))
		}
	}
	head := make([]byte, ondisk.SuperOffset)
	if _, err := d.R.ReadAt(head, 0); err != nil || named {
		return
	}
	for i, b := range head {
		if b != 0 {
			f := finding.New(code, "byte %d is not zero: something else wrote before the superblock, and udev may not register the device", i)
			f.Device = name
			c.found.Add(f.At(ondisk.Sector(i / ondisk.SectorBytes)))
			return
		}
	}
}
