// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"errors"
	"fmt"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/signature"
	"bctl/internal/finding"
	"bctl/superblock"
)

type backing struct {
	Device
	super *ondisk.Super
}

// readBacking reads the superblocks of the given backing devices. One that holds nothing at all was called a backing
// device by somebody who knows: its superblock is lost. Errors: one is no backing device, but something else.
func (c *checker) readBacking(devs []Device) error {
	for _, d := range devs {
		s, err := superblock.ReadDevice(d.R, d.Size)
		why := ""
		switch {
		case errors.Is(err, superblock.ErrNotBcache) && bare(d):
			why = "nothing known stands there"
		case err == nil && !s.IsBacking() && s.Csum != s.Checksum():
			why, err = "its checksum is wrong, and it says that it is a cache device's", errDamaged
		case err == nil && s.Bucketless():
			why, err = "it says that it is a cache device's, and names no buckets", errDamaged
		}
		if why != "" {
			c.lost = append(c.lost, fmt.Errorf("%s: %w", d.Name, err))
			c.found.Add(finding.About(finding.Super{Device: d.Name, Backing: true}, finding.BDSuper, "lost: %s", why))
			continue
		}
		if err == nil && !s.IsBacking() {
			err = fmt.Errorf("a cache device, want a backing device")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		c.backing = append(c.backing, backing{d, s})
	}
	return nil
}

var errDamaged = errors.New("its superblock is damaged")

// bare reports whether a device that could hold a volume holds nothing that is known.
func bare(d Device) bool {
	what, err := signature.Describe(d.R, d.Size)
	return err == nil && what == signature.Nothing && d.Size > ondisk.DataStartDefault.Bytes()
}

func (c *checker) backingAlone() {
	c.judgeBackingSuper(&backing{c.dev, c.super}, "")
}

func (c *checker) judgeBackingSuper(b *backing, name string) {
	for _, fault := range superblock.Check(b.super, b.limits(c.o.Now)) {
		c.found.Add(finding.About(finding.Super{Device: name, Backing: true}, fault.Code, "%v", fault))
	}
	end := superblock.DataOffset(b.super)
	if end < 1<<40 {
		c.signatures(&b.Device, finding.BDSignature, end.Bytes(), name)
	}
}

// judgeBacking holds every backing device against the cache and the others.
func (c *checker) judgeBacking() {
	seen := map[ondisk.UUID]string{}
	for i := range c.backing {
		b := &c.backing[i]
		c.judgeBackingSuper(b, b.Name)
		emit := func(code finding.Code, format string, args ...any) {
			c.found.Add(finding.About(finding.Backing{Device: b.Name}, code, format, args...))
		}
		if other, ok := seen[b.super.UUID]; ok {
			emit(finding.BDDuplicate, "uuid %v is also %s's", b.super.UUID, other)
		}
		seen[b.super.UUID] = b.Name
		if b.super.BlockSize < c.super.BlockSize {
			emit(finding.BDBlock, "blocks of %d bytes, the cache's have %d", int64(b.super.BlockSize)*ondisk.SectorBytes, int64(c.super.BlockSize)*ondisk.SectorBytes)
		}
		if c.c != nil && (c.c.UUIDs != nil || c.c.Journal == nil) { // a cache that was never registered has no slots
			c.judgeAttached(b, emit)
		}
	}
}

func (c *checker) volumeOf(u ondisk.UUID) *inspect.Volume {
	for _, v := range c.c.Volumes {
		if v.Slot != nil && v.Slot.UUID == u {
			return v
		}
	}
	return nil
}
