// SPDX-License-Identifier: GPL-2.0-only

package signature

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// A signature is one magic at one place.
type signature struct {
	name   string
	offset int64 // from the start; with end, from the size rounded down to a multiple of end
	end    int64 // a power of two, or 0
	magic  string
	judge  func(p *probe, off int64) string // gives a better name; "" says that it is none after all
}

// table has a row for each place a magic can be at.
var table = []signature{
	{name: "ext", offset: kib + 56, magic: "\x53\xef", judge: ext},
	{name: "xfs", magic: "XFSB"},
	{name: "xfs log", magic: "\xfe\xed\xba\xbe"},
	{name: "btrfs", offset: 64*kib + 64, magic: "_BHRfS_M"},
	{name: "btrfs copy", offset: 64*mib + 64, magic: "_BHRfS_M"},
	{name: "btrfs copy", offset: 256*gib + 64, magic: "_BHRfS_M"},
	{name: "bcache", offset: 4120, magic: bcacheMagic, judge: bcache},
	{name: "bcachefs", offset: 4120, magic: "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"},
	{name: "f2fs", offset: kib, magic: "\x10\x20\xf5\xf2"},
	{name: "f2fs copy", offset: 5 * kib, magic: "\x10\x20\xf5\xf2"},
	{name: "squashfs", magic: "hsqs"},
	{name: "squashfs", magic: "sqsh"},
	{name: "erofs", offset: kib, magic: "\xe2\xe1\xf5\xe0"},
	{name: "cramfs", magic: "\x45\x3d\xcd\x28"},
	{name: "romfs", magic: "-rom1fs-"},
	{name: "iso9660", offset: 32*kib + 1, magic: "CD001"},
	{name: "udf", offset: 32*kib + 1, magic: "BEA01"},
	{name: "ntfs", offset: 3, magic: "NTFS    "},
	{name: "exfat", offset: 3, magic: "EXFAT   "},
	{name: "refs", offset: 3, magic: "ReFS\x00\x00\x00\x00"},
	{name: "bitlocker", offset: 3, magic: "-FVE-FS-"},
	{name: "vfat", offset: 54, magic: "FAT12   "},
	{name: "vfat", offset: 54, magic: "FAT16   "},
	{name: "vfat", offset: 54, magic: "FAT     "},
	{name: "vfat", offset: 54, magic: "MSDOS"},
	{name: "vfat", offset: 82, magic: "FAT32   "},
	{name: "reiserfs", offset: 64*kib + 52, magic: "ReIsEr"},
	{name: "reiserfs", offset: 8*kib + 52, magic: "ReIsErFs"},
	{name: "reiser4", offset: 64 * kib, magic: "ReIsEr4"},
	{name: "jfs", offset: 32 * kib, magic: "JFS1"},
	{name: "nilfs2", offset: kib + 6, magic: "\x34\x34", judge: nilfs},
	{name: "gfs2", offset: 64 * kib, magic: "\x01\x16\x19\x70"},
	{name: "ocfs2", offset: kib, magic: "OCFSV2"},
	{name: "ocfs2", offset: 2 * kib, magic: "OCFSV2"},
	{name: "ocfs2", offset: 4 * kib, magic: "OCFSV2"},
	{name: "ocfs2", offset: 8 * kib, magic: "OCFSV2"},
	{name: "apfs", offset: 32, magic: "NXSB"},
	{name: "hfsplus", offset: kib, magic: "H+\x00\x04"},
	{name: "hfsplus", offset: kib, magic: "HX\x00\x05"},
	{name: "ufs2", offset: 64*kib + 1372, magic: "\x19\x01\x54\x19"},
	{name: "ufs1", offset: 8*kib + 1372, magic: "\x54\x19\x01\x00"},
	{name: "minix", offset: kib + 16, magic: "\x7f\x13", judge: minix},
	{name: "minix", offset: kib + 16, magic: "\x8f\x13", judge: minix},
	{name: "minix", offset: kib + 16, magic: "\x68\x24", judge: minix},
	{name: "minix", offset: kib + 16, magic: "\x78\x24", judge: minix},
	{name: "minix", offset: kib + 24, magic: "\x5a\x4d", judge: minix3},
	{name: "vmfs", offset: 2 * mib, magic: "\x5e\xf1\xab\x2f"},
	{name: "vmfs volume", offset: mib, magic: "\x0d\xd0\x01\xc0"},
	{name: "bluestore", magic: "bluestore block device"},

	{name: "swap", offset: 4*kib - 10, magic: "SWAPSPACE2"},
	{name: "swap", offset: 8*kib - 10, magic: "SWAPSPACE2"},
	{name: "swap", offset: 16*kib - 10, magic: "SWAPSPACE2"},
	{name: "swap", offset: 64*kib - 10, magic: "SWAPSPACE2"},
	{name: "swap", offset: 4*kib - 10, magic: "SWAP-SPACE"},
	{name: "suspended system", offset: 4*kib - 10, magic: "S1SUSPEND"},
	{name: "suspended system", offset: 4*kib - 10, magic: "S2SUSPEND"},
	{name: "suspended system", offset: 4*kib - 10, magic: "ULSUSPEND"},
	{name: "suspended system", offset: 4*kib - 10, magic: "LINHIB0001"},

	{name: "luks", magic: "LUKS\xba\xbe", judge: luks},
	{name: "luks2 copy", offset: 0x4000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x8000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x10000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x20000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x40000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x80000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x100000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x200000, magic: "SKUL\xba\xbe"},
	{name: "luks2 copy", offset: 0x400000, magic: "SKUL\xba\xbe"},

	{name: "lvm2", offset: 0, magic: "LABELONE"},
	{name: "lvm2", offset: 512, magic: "LABELONE"},
	{name: "lvm2", offset: 1024, magic: "LABELONE"},
	{name: "lvm2", offset: 1536, magic: "LABELONE"},
	{name: "stratis", offset: 516, magic: "!Stra0tis\x86\xff\x02^\x41rh"},
	{name: "vdo", magic: "dmvdo001"},
	{name: "dm-integrity", magic: "integrt\x00"},
	{name: "dm-verity", magic: "verity\x00\x00"},
	{name: "dm-snapshot", magic: "SnAp"},
	{name: "dm-cache", offset: 32, magic: "\x03\xc4\x18\x00\x00\x00\x00\x00"},
	{name: "dm-thin", offset: 32, magic: "\xba\x52\x9c\x01\x00\x00\x00\x00"},
	{name: "dm-writecache", magic: "\x21\x93\x48\x23"},

	{name: "md 0.90", offset: -64 * kib, end: 64 * kib, magic: "\xfc\x4e\x2b\xa9"},
	{name: "md 0.90", offset: -64 * kib, end: 64 * kib, magic: "\xa9\x2b\x4e\xfc"},
	{name: "md 1.0", offset: -8 * kib, end: 4 * kib, magic: "\xfc\x4e\x2b\xa9", judge: md1("md 1.0")},
	{name: "md 1.1", offset: 0, magic: "\xfc\x4e\x2b\xa9", judge: md1("md 1.1")},
	{name: "md 1.2", offset: 4 * kib, magic: "\xfc\x4e\x2b\xa9", judge: md1("md 1.2")},
	{name: "intel raid", offset: -kib, end: 512, magic: "Intel Raid ISM Cfg Sig. "},
	{name: "ddf raid", offset: -512, end: 512, magic: "\xde\x11\xde\x11"},
	{name: "ddf raid", offset: -512, end: 512, magic: "\x11\xde\x11\xde"},
	{name: "ddf raid", offset: -257 * 512, end: 512, magic: "\xde\x11\xde\x11"},
	{name: "ddf raid", offset: -257 * 512, end: 512, magic: "\x11\xde\x11\xde"},
	{name: "nvidia raid", offset: -2 * 512, end: 512, magic: "NVIDIA  "},
	{name: "lsi raid", offset: -512, end: 512, magic: "$XIDE$"},
	{name: "drbd", offset: -4036, end: 4 * kib, magic: "\x83\x74\x02\x6b"},
	{name: "drbd", offset: -4036, end: 4 * kib, magic: "\x83\x74\x02\x6c"},

	{name: "gpt", offset: 512, magic: "EFI PART"},
	{name: "gpt", offset: 4 * kib, magic: "EFI PART"},
	{name: "gpt copy", offset: -512, end: 512, magic: "EFI PART"},
	{name: "gpt copy", offset: -4 * kib, end: 4 * kib, magic: "EFI PART"},
	{name: "mbr", offset: 510, magic: "\x55\xaa", judge: mbr},
	{name: "sun label", offset: 508, magic: "\xda\xbe", judge: sun},
	{name: "sgi label", magic: "\x0b\xe5\xa9\x41"},
	{name: "mac label", offset: 512, magic: "PM\x00\x00"},
	{name: "bsd label", offset: 512, magic: "\x57\x45\x56\x82"},
	{name: "bsd label", offset: 64, magic: "\x57\x45\x56\x82"},
}
