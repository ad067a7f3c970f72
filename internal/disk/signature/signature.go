// SPDX-License-Identifier: GPL-2.0-only

// Package signature finds what else may be on a device: filesystems, swap, volume managers, arrays, encryption,
// partition tables. It knows magics, not formats: a hit means that something may be there that must not be
// overwritten unasked, not that it is sound.
//
// Most signatures stand at a fixed distance from the start, some from the end, and a few have copies:
//
//	byte 0, 3, 32, 54, 82, 510  xfs, LUKS, ntfs, vfat, MBR ...   byte 4096   md 1.2, bcache, bcachefs
//	byte 512, 4096              GPT, LVM2                        byte 32769  iso9660
//	byte 1024 ff                ext, f2fs, hfs+, nilfs2          byte 65600  btrfs
//	page end - 10               swap                             end         md 0.90 and 1.0, GPT's copy, zfs
package signature

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"bctl/internal/disk/full"
)

// A Found is one signature: its name, and the bytes that make it.
type Found struct {
	Name   string
	Offset int64 // of the magic, from the start of the device
	Length int
	End    bool // its place is told from the end of the device
}

func (f Found) String() string { return fmt.Sprintf("%s at byte %d", f.Name, f.Offset) }

// Probe looks for every signature it knows on the first size bytes of r, in the order of their offsets. Any size
// will do. Errors are r's: what cannot be read cannot be called empty.
func Probe(r io.ReaderAt, size int64) ([]Found, error) {
	p := probe{r: r, size: size}
	for _, s := range table {
		off, ok := s.at(size)
		if !ok || !p.has(off, s.magic) {
			continue
		}
		name := s.name
		if s.judge != nil {
			name = s.judge(&p, off)
		}
		p.add(Found{name, off, len(s.magic), s.end != 0})
	}
	p.zfs()
	if p.err != nil {
		return nil, p.err
	}
	sort.SliceStable(p.found, func(i, j int) bool { return p.found[i].Offset < p.found[j].Offset })
	return p.found, nil
}

// at is where the magic of s should be on a device of size bytes.
func (s *signature) at(size int64) (int64, bool) {
	off := s.offset
	if s.end != 0 {
		off += size &^ (s.end - 1)
	}
	return off, off >= 0 && off <= size-int64(len(s.magic))
}

// A probe reads r here and there, and remembers the first thing that went wrong.
type probe struct {
	r     io.ReaderAt
	size  int64
	found []Found
	err   error
}

func (p *probe) add(f Found) {
	if f.Name != "" && !slices.Contains(p.found, f) {
		p.found = append(p.found, f)
	}
}

// bytes reads n bytes at off, or fewer where the device ends; nil once something went wrong.
func (p *probe) bytes(off int64, n int) []byte {
	if p.err != nil || off < 0 || off >= p.size {
		return nil
	}
	b := make([]byte, min(int64(n), p.size-off))
	k, err := p.r.ReadAt(b, off)
	if errors.Is(err, full.ErrUnknown) {
		return nil // whoever made the image looked: there is none
	}
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = fmt.Errorf("looking for signatures at byte %d: %w", off, err)
		return nil
	}
	return b[:k]
}

func (p *probe) has(off int64, magic string) bool {
	return string(p.bytes(off, len(magic))) == magic
}
