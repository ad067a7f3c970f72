// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const bcacheMagic = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"

// bcache: the word after the checksum is the superblock's own sector, 8. Early bcachefs had the same magic and
// half a checksum there.
func bcache(p *probe, off int64) string {
	if sector := p.bytes(off-16, 8); len(sector) == 8 && binary.LittleEndian.Uint64(sector) == 8 {
		return "bcache"
	}
	return "early bcachefs"
}

// ext tells its kinds apart by their features, as mount would: what ext3 does not know makes it ext4.
func ext(p *probe, off int64) string {
	b := p.bytes(off-56, 112) // the superblock's start
	if len(b) < 112 {
		return ""
	}
	if log := binary.LittleEndian.Uint32(b[24:]); log > 6 { // blocks of 1 KiB << log: two bytes are a weak magic
		return ""
	}
	compat, incompat, ro := binary.LittleEndian.Uint32(b[92:]), binary.LittleEndian.Uint32(b[96:]), binary.LittleEndian.Uint32(b[100:])
	const (
		hasJournal  = 0x4
		journalDev  = 0x8
		incompatOld = 0x2 | 0x4 | 0x10 // filetype, recover, meta_bg
		roOld       = 0x1 | 0x2 | 0x4  // sparse_super, large_file, btree_dir
	)
	switch {
	case incompat&journalDev != 0:
		return "ext journal"
	case incompat&^incompatOld != 0 || ro&^roOld != 0:
		return "ext4"
	case compat&hasJournal != 0:
		return "ext3"
	}
	return "ext2"
}

func luks(p *probe, off int64) string {
	if v := p.bytes(off+6, 2); len(v) == 2 && v[0] == 0 && (v[1] == 1 || v[1] == 2) {
		return "luks" + string('0'+v[1])
	}
	return "luks"
}

// nilfs: two bytes are a weak magic; the superblock's size follows ten bytes on.
func nilfs(p *probe, off int64) string {
	b := p.bytes(off+2, 2)
	if len(b) == 2 && binary.LittleEndian.Uint16(b) >= 24 && binary.LittleEndian.Uint16(b) <= 1024 {
		return "nilfs2"
	}
	return ""
}

// minix: two bytes are a weak magic; the counts around it are not zero, and its zones are 1 KiB.
func minix(p *probe, off int64) string {
	b := p.bytes(off-16, 24)
	if len(b) < 24 {
		return ""
	}
	word := func(i int) uint16 { return binary.LittleEndian.Uint16(b[i:]) }
	if word(0) == 0 || word(4) == 0 || word(6) == 0 || word(10) != 0 || word(8) < 4 {
		return ""
	}
	return "minix"
}

func minix3(p *probe, off int64) string {
	b := p.bytes(off-24, 32)
	if len(b) < 32 {
		return ""
	}
	if block := binary.LittleEndian.Uint16(b[28:]); block < 1024 || block > 4096 || block&(block-1) != 0 {
		return ""
	}
	return "minix"
}

// mbr: 55 aa also ends the boot sector of fat and ntfs, which have names of their own, and other boot code. A
// partition table has four entries that start with 0 or 80.
func mbr(p *probe, off int64) string {
	b := p.bytes(0, 512)
	if len(b) < 512 || bytes.HasPrefix(b[3:], []byte("NTFS    ")) || bytes.HasPrefix(b[3:], []byte("EXFAT   ")) ||
		bytes.HasPrefix(b[54:], []byte("FAT")) || bytes.HasPrefix(b[82:], []byte("FAT32   ")) {
		return ""
	}
	for i := 446; i < 510; i += 16 {
		if b[i]&0x7f != 0 {
			return "boot sector"
		}
	}
	return "mbr"
}

// sun: two bytes are a weak magic; the sector's 16-bit words xor to zero.
func sun(p *probe, _ int64) string {
	sum, b := uint16(0), p.bytes(0, 512)
	for i := 0; i+1 < len(b); i += 2 {
		sum ^= binary.BigEndian.Uint16(b[i:])
	}
	if sum != 0 {
		return ""
	}
	return "sun label"
}

// zfs keeps four labels of 256 KiB, two at each end. A label holds a checksummed list whose trailer has a magic,
// then 128 KiB of uberblocks, which start with another. Both are in the byte order of the machine.
func (p *probe) zfs() {
	const label, ring, slot = 256 * kib, 128 * kib, kib
	trailer := []string{"\x11\x7a\x0c\xb1\x7a\xda\x10\x02", "\x02\x10\xda\x7a\xb1\x0c\x7a\x11"}
	uber := []string{"\x0c\xb1\xba\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\xba\xb1\x0c"}
	end := p.size &^ (label - 1)
	for _, start := range []int64{0, label, end - 2*label, end - label} {
		if start < 0 {
			continue
		}
		if b := p.bytes(start+ring-40, 8); slices.Contains(trailer, string(b)) {
			p.add(Found{"zfs", start + ring - 40, 8, start >= end-2*label})
		}
		for i, b := 0, p.bytes(start+ring, int(ring)); len(b) >= i+8; i += int(slot) {
			if slices.Contains(uber, string(b[i:i+8])) {
				p.add(Found{"zfs", start + ring + int64(i), 8, start >= end-2*label})
			}
		}
	}
}

// md1: the superblock says at which sector it stands, which tells it from one of an array that lies on this device,
// as blkid does.
func md1(name string) func(p *probe, off int64) string {
	return func(p *probe, off int64) string {
		b := p.bytes(off+144, 8)
		if len(b) < 8 || binary.LittleEndian.Uint64(b) != uint64(off/512) {
			return ""
		}
		return name
	}
}

// EarlyBcachefs reports whether the 4096 bytes of a superblock with bcache's magic are bcachefs', which had it until
// 2023: where bcache has its sector and its version it has half a checksum and two versions, and its own sector stands
// further on, where bcache has flags.
func EarlyBcachefs(sb []byte) bool {
	const sector = 8
	return len(sb) > 112 && string(sb[24:40]) == bcacheMagic && binary.LittleEndian.Uint64(sb[8:]) != sector &&
		binary.LittleEndian.Uint64(sb[16:]) > 6 && binary.LittleEndian.Uint64(sb[104:]) == sector
}
