// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Every row of the table is found where it says, on a device of odd size, under its own name.
func TestTable(t *testing.T) {
	const size = 130*mib + 3*512
	for _, s := range table {
		if s.offset > size || s.judge != nil {
			continue
		}
		off, ok := s.at(size)
		if !ok {
			t.Fatalf("%s: no place", s.name)
		}
		fx := fixture{size: size, sectors: map[int64][]byte{off: []byte(s.magic)}}
		found, err := Probe(fx, size)
		if want := (Found{s.name, off, len(s.magic), s.end != 0}); err != nil || !slices.Contains(found, want) {
			t.Errorf("found %q, %v, want %v", found, err, want)
		}
	}
}

func TestTableEndsArePowersOfTwo(t *testing.T) {
	for _, s := range table {
		if s.end&(s.end-1) != 0 || s.end != 0 && s.offset >= 0 || s.end == 0 && s.offset < 0 || len(s.magic) < 2 {
			t.Errorf("%+v", s)
		}
	}
}

// At each size, from nothing on, a device of zeroes has no signature, and no read leaves it.
func TestAnySize(t *testing.T) {
	for _, size := range []int64{0, 1, 2, 511, 512, 513, 1081, 1082, 4095, 4096, 4097, 4136, 65536, 65537, mib - 1, mib + 4096, 8 * mib} {
		r := bytes.NewReader(make([]byte, size))
		if found, err := Probe(r, size); err != nil || len(found) > 0 {
			t.Errorf("size %d: %v, %v", size, found, err)
		}
		if found, err := Probe(r, size+4096); err != nil || len(found) > 0 { // it shrank meanwhile
			t.Errorf("size %d said to be larger: %v, %v", size, found, err)
		}
	}
}

type broken struct{ at int64 }

func (r broken) ReadAt(b []byte, off int64) (int, error) {
	if off <= r.at && r.at < off+int64(len(b)) {
		return 0, io.ErrUnexpectedEOF
	}
	return len(b), nil
}

func TestReadErrorIsNotEmptiness(t *testing.T) {
	for _, at := range []int64{0, 1080, 4120, 8*mib - 512} {
		if found, err := Probe(broken{at}, 8*mib); !errors.Is(err, io.ErrUnexpectedEOF) || found != nil {
			t.Errorf("unreadable at %d: %v, %v", at, found, err)
		}
	}
}

// What no tool here makes is made by hand, and shown to blkid where there is one.
var handmade = []struct {
	name, blkid string
	size        int64
	edit        map[int64]string
}{
	{"md 0.90", "linux_raid_member", 8 * mib, map[int64]string{8*mib - 64*kib: "\xfc\x4e\x2b\xa9\x00\x00\x00\x00\x5a\x00\x00\x00"}},
	{"md 1.0", "linux_raid_member", 8*mib + 512, map[int64]string{8*mib - 8*kib: mdadm((8*mib - 8*kib) / 512)}},
	{"md 1.1", "linux_raid_member", 8 * mib, map[int64]string{0: mdadm(0)}},
	{"md 1.2", "linux_raid_member", 8 * mib, map[int64]string{4 * kib: mdadm(8)}},
	{"zfs", "zfs_member", 128 * mib, map[int64]string{128*kib + 4*kib: uberblock, 128*kib + 8*kib: uberblock, 128*kib + 12*kib: uberblock, 128*kib + 16*kib: uberblock}},
	{"zfs", "", 128*mib + 4096, map[int64]string{128*mib - 128*kib - 40: "\x11\x7a\x0c\xb1\x7a\xda\x10\x02"}},
	{"early bcachefs", "", mib, map[int64]string{4104: "\x99\x01", 4120: bcacheMagic}},
	{"boot sector", "", mib, map[int64]string{0: "\xeb\x63\x90", 446: "\x12", 510: "\x55\xaa"}},
	{"nilfs2", "", mib, map[int64]string{kib + 6: "\x34\x34\x18\x01"}},
	{"luks", "", mib, map[int64]string{0: "LUKS\xba\xbe\x00\x09"}},
	{"", "", mib, map[int64]string{kib + 6: "\x34\x34", 508: "\xda\xbe", kib + 16: "\x7f\x13", kib + 24: "\x5a\x4d"}},
	{"", "", mib, map[int64]string{kib + 24: "\xff\xff\xff\xff", kib + 56: "\x53\xef"}}, // blocks of 4 EiB
}

const uberblock = "\x0c\xb1\xba\x00\x00\x00\x00\x00"

// mdadm is the head of a version 1 superblock that says it stands at sector.
func mdadm(sector int64) string {
	b := make([]byte, 256)
	copy(b, "\xfc\x4e\x2b\xa9\x01")
	for i := range 8 {
		b[144+i] = byte(sector >> (8 * i))
	}
	return string(b)
}

func TestHandmade(t *testing.T) {
	_, noBlkid := exec.LookPath("blkid")
	for _, h := range handmade {
		img := make([]byte, h.size)
		for off, s := range h.edit {
			copy(img[off:], s)
		}
		found, err := Probe(bytes.NewReader(img), h.size)
		if err != nil {
			t.Fatal(err)
		}
		if h.name == "" && len(found) > 0 || h.name != "" && (len(found) == 0 || found[0].Name != h.name) {
			t.Errorf("found %v, want %q", found, h.name)
		}
		if noBlkid != nil || h.blkid == "" {
			continue
		}
		file := filepath.Join(t.TempDir(), "img")
		if err := os.WriteFile(file, img, 0o600); err != nil {
			t.Fatal(err)
		}
		if names := blkid(t, file); !slices.Contains(names, h.blkid) {
			t.Errorf("%s: blkid says %q", h.name, names)
		}
	}
}

func FuzzProbe(f *testing.F) {
	f.Add([]byte{}, int64(0))
	f.Add([]byte(mdadm(0)), int64(4096))
	f.Add(bytes.Repeat([]byte(uberblock), 600), int64(mib))
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		const size = 1 << 20
		img := make([]byte, size)
		copy(img[min(uint64(at), size):], b)
		found, err := Probe(bytes.NewReader(img), size)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Name == "" || f.Offset < 0 || f.Length < 2 || f.Offset+int64(f.Length) > size {
				t.Fatalf("%+v", f)
			}
		}
	})
}
