// SPDX-License-Identifier: GPL-2.0-only

// Package superblock reads and judges the first structure of a bcache device, and derives from it the sizes of
// all others.
//
//	byte 0      4096 bytes that format zeroes, so that nothing else claims the device
//	byte 4096   struct cache_sb_disk: csum offset version magic uuid set_uuid label flags seq features ...
//	            cache:   nbuckets block_size bucket_size ... first_bucket keys d[keys] (the journal buckets)
//	            backing: data_offset block_size
//	byte 8192   backing: the data (or at data_offset); cache: unused up to first_bucket
//
// make-bcache writes it once; the kernel rewrites a cache's at the first registration (SYNC, version 3, journal
// buckets) and when a setting changes, and a backing device's when it is attached, gets dirty, or is clean again.
// It is one 4096-byte block: a torn write shows as a bad checksum.
package superblock

import (
	"errors"
	"fmt"
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/disk/signature"
	"bctl/internal/hint"
)

// ErrNotBcache says that a device holds no bcache superblock at all.
var ErrNotBcache = errors.New("not a bcache device")

// Read reads the superblock of r. It judges only whether there is one: a magic or an offset that is wrong alone,
// so that the checksum fits with the right one in its place, still counts (Check will name it).
// Errors wrap ErrNotBcache, or are r's.
func Read(r io.ReaderAt) (*ondisk.Super, error) {
	b := make([]byte, ondisk.SuperSize)
	if err := full.ReadAt(r, b, ondisk.SuperOffset); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: it ends before byte %d", ErrNotBcache, ondisk.SuperOffset+ondisk.SuperSize)
		}
		return nil, fmt.Errorf("superblock: %w", err)
	}
	s, err := ondisk.DecodeSuper(b)
	if err != nil {
		return nil, err
	}
	if signature.EarlyBcachefs(b) {
		return nil, fmt.Errorf("%w: it holds an early bcachefs", ErrNotBcache)
	}
	if s.Magic == ondisk.SuperMagic {
		return s, nil
	}
	mended := *s
	mended.Magic = ondisk.SuperMagic
	if mended.Checksum() != s.Csum {
		return nil, fmt.Errorf("%w: no superblock magic at byte %d", ErrNotBcache, ondisk.SuperOffset+24)
	}
	return s, nil
}

// ReadDevice is Read for a device of size bytes that somebody named: of one that is none of bcache's the error says
// what it holds instead.
func ReadDevice(r io.ReaderAt, size int64) (*ondisk.Super, error) {
	s, err := Read(r)
	if !errors.Is(err, ErrNotBcache) {
		return s, err
	}
	what, perr := signature.Describe(r, size)
	if perr != nil {
		return nil, err
	}
	err = fmt.Errorf("%w: it %s", ErrNotBcache, what)
	if what == signature.Nothing {
		return nil, hint.Add(err, "if a cache was here: bctl fsck --scan looks for one that lost its superblock, bctl super find for more of them")
	}
	return nil, err
}
