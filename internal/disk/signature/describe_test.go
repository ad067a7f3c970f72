// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// What structures call themselves, put in place by hand where no tool writes them.
func TestIdentityByHand(t *testing.T) {
	const id = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
	const idText = "01020304-0506-0708-090a-0b0c0d0e0f10"
	wide := func(s string) string {
		b := []byte{}
		for _, u := range utf16.Encode([]rune(s)) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return string(b)
	}
	for _, test := range []struct {
		at   map[int64]string
		want string
	}{
		{map[int64]string{0: "XFSB", 32: id, 108: "data\x00junk"}, "holds xfs `data` uuid " + idText},
		{map[int64]string{65600: "_BHRfS_M", 65568: id, 65835: "pool"}, "holds btrfs `pool` uuid " + idText},
		{map[int64]string{4086: "SWAPSPACE2", 1036: id, 1052: "fast"}, "holds swap `fast` uuid " + idText},
		{map[int64]string{0: "LUKS\xba\xbe\x00\x02", 24: "secret", 168: "0fc63daf-8483"}, "holds luks2 `secret` uuid 0fc63daf-8483"},
		{map[int64]string{512: "LABELONE", 532: "\x20", 544: "Hbv20YxJvQJAVv5l0YFAZoSNbzztpIp1"}, "holds lvm2 uuid Hbv20Y-xJvQ-JAVv-5l0Y-FAZo-SNbz-ztpIp1"},
		{map[int64]string{512: "LABELONE", 532: "\xff\xff"}, "holds lvm2"},
		{map[int64]string{1024: "\x10\x20\xf5\xf2", 1132: id, 1148: wide("flash \u00e9")}, "holds f2fs `flash \u00e9` uuid " + idText},
		{map[int64]string{4120: "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", 4152: id, 4168: "tank"}, "holds bcachefs `tank` uuid " + idText},
		{map[int64]string{4104: "\x99\x01", 4120: bcacheMagic, 4152: id, 4168: "tank"}, "holds an early bcachefs (before 2023) `tank` uuid " + idText},
		{map[int64]string{4096: mdadm(8)[:16] + id + "box:data" + mdadm(8)[40:]}, "holds md 1.2 `box:data` uuid " + idText},
		{map[int64]string{32769: "CD001", 32808: "DEBIAN 12   "}, "holds iso9660 `DEBIAN 12`"},
		{map[int64]string{54: "FAT16   ", 39: "\x78\x56\x34\x12", 43: "NO NAME    "}, "holds vfat uuid 1234-5678"},
		{map[int64]string{3: "NTFS    ", 72: "\x08\x07\x06\x05\x04\x03\x02\x01", 510: "\x55\xaa"}, "holds ntfs uuid 0102030405060708"},
		{map[int64]string{8*mib - 64*kib: "\xfc\x4e\x2b\xa9\x00\x00\x00\x00\x5a", 8*mib - 64*kib + 20: "\xcd\xab\x34\x12"}, "holds md 0.90 uuid 1234abcd-0000-0000-0000-000000000000"},
		{map[int64]string{0: "XFSB", 512: "LABELONE"}, "holds xfs and lvm2"},
		{map[int64]string{0x4000: "SKUL\xba\xbe"}, "holds what is left of luks2 copy"},
		{nil, "holds nothing that is known"},
	} {
		img := make([]byte, 8*mib)
		for at, s := range test.at {
			copy(img[at:], s)
		}
		if text, err := Describe(bytes.NewReader(img), 8*mib); err != nil || text != test.want {
			t.Errorf("%q, %v, want %q", text, err, test.want)
		}
	}
}

// A disk is described by what is on its partitions, those with bcache first.
func TestPartitions(t *testing.T) {
	le := binary.LittleEndian
	gpt := func(block int64, parts map[int][2]int64) []byte {
		img := make([]byte, 4*mib)
		head := img[block:]
		copy(head, "EFI PART")
		le.PutUint64(head[72:], 2)
		le.PutUint32(head[80:], 128)
		le.PutUint32(head[84:], 128)
		for n, p := range parts {
			e := img[2*block+int64(n-1)*128:]
			e[0] = 1
			le.PutUint64(e[32:], uint64(p[0]/block))
			le.PutUint64(e[40:], uint64(p[1]/block-1))
		}
		return img
	}
	entry := func(img []byte, table int64, i int, kind byte, start, length int64) {
		copy(img[table+510:], "\x55\xaa")
		e := img[table+446+int64(16*i):]
		e[4] = kind
		le.PutUint32(e[8:], uint32(start/512))
		le.PutUint32(e[12:], uint32(length/512))
	}
	super := func(img []byte, at int64) {
		copy(img[at+4104:], "\x08")
		copy(img[at+4120:], bcacheMagic)
		copy(img[at+4168:], "ssd")
	}
	for _, block := range []int64{512, 4096} {
		img := gpt(block, map[int][2]int64{1: {mib, 2 * mib}, 3: {2 * mib, 4 * mib}, 4: {5 * mib, 6 * mib}})
		copy(img[mib:], "XFSB")
		text, err := Describe(bytes.NewReader(img), int64(len(img)))
		if want := "is a GPT disk: partition 1 holds xfs, partition 4 lies past the end"; err != nil || text != want {
			t.Errorf("%q, %v, want %q", text, err, want)
		}
		super(img, 2*mib)
		text, err = Describe(bytes.NewReader(img), int64(len(img)))
		if want := "is a GPT disk: partition 3 holds bcache `ssd`"; err != nil || text != want {
			t.Errorf("%q, %v, want %q", text, err, want)
		}
	}
	img := make([]byte, 4*mib)
	entry(img, 0, 1, 0x83, mib, mib)
	entry(img, 0, 2, 0x05, 2*mib, 2*mib)
	entry(img, 2*mib, 0, 0x83, 64*kib, 512*kib)
	entry(img, 2*mib, 1, 0x05, mib, mib)
	entry(img, 3*mib, 0, 0x83, 64*kib, 512*kib)
	super(img, 3*mib+64*kib)
	text, err := Describe(bytes.NewReader(img), int64(len(img)))
	if want := "is an MBR disk: partition 6 holds bcache `ssd`"; err != nil || text != want {
		t.Errorf("%q, %v, want %q", text, err, want)
	}
	entry(img, 3*mib, 1, 0x05, 0, mib) // back to where it began: the chain ends
	if text, err := Describe(bytes.NewReader(img), int64(len(img))); err != nil || !strings.Contains(text, "partition 6 holds bcache") {
		t.Errorf("%q, %v", text, err)
	}
	empty := gpt(512, nil)
	if text, err := Describe(bytes.NewReader(empty), int64(len(empty))); err != nil || text != "is a GPT disk: it has no partitions" {
		t.Errorf("%q, %v", text, err)
	}
}

// FuzzDescribe: any bytes are described in one line, within bounds.
func FuzzDescribe(f *testing.F) {
	f.Add([]byte("EFI PART"), uint32(512))
	f.Add([]byte(mdadm(8)), uint32(4096))
	f.Add([]byte("\x55\xaa"), uint32(510))
	f.Fuzz(func(t *testing.T, b []byte, at uint32) {
		const size = 1 << 18
		img := make([]byte, size)
		copy(img[at%size:], b)
		copy(img[510:], "\x55\xaa")
		copy(img[512:], "EFI PART")
		text, err := Describe(bytes.NewReader(img), size)
		if err != nil || text == "" || len(text) > 8192 {
			t.Fatalf("%q, %v", text, err)
		}
	})
}

func TestEarlyBcachefs(t *testing.T) {
	sb := make([]byte, 4096)
	copy(sb[24:], bcacheMagic)
	binary.LittleEndian.PutUint64(sb[8:], 0x123456789)
	binary.LittleEndian.PutUint32(sb[16:], 0x0010001a)
	binary.LittleEndian.PutUint64(sb[104:], 8)
	if !EarlyBcachefs(sb) {
		t.Error("not seen")
	}
	for _, at := range []int{8, 16, 24, 104} { // whatever bcache would have there
		one := bytes.Clone(sb)
		clear(one[at : at+8])
		one[8] |= map[bool]byte{true: 8}[at == 8]
		if EarlyBcachefs(one) {
			t.Errorf("still seen with other bytes at %d", at)
		}
	}
	if EarlyBcachefs(sb[:100]) || EarlyBcachefs(nil) {
		t.Error("seen in less than a superblock")
	}
}
