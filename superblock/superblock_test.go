// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
)

// An early bcachefs has bcache's magic, and is none; a superblock of bcache with bytes gone is still one.
func TestReadDevice(t *testing.T) {
	early := make([]byte, 1<<20)
	sb := early[ondisk.SuperOffset:]
	copy(sb[24:], ondisk.SuperMagic[:])
	binary.LittleEndian.PutUint64(sb[8:], 0x1234567)
	binary.LittleEndian.PutUint32(sb[16:], 0x0010001a)
	binary.LittleEndian.PutUint64(sb[104:], 8)
	copy(sb[72:], "tank")
	_, err := ReadDevice(bytes.NewReader(early), int64(len(early)))
	if !errors.Is(err, ErrNotBcache) || !strings.HasSuffix(err.Error(), "it holds an early bcachefs (before 2023) `tank`") {
		t.Errorf("%v", err)
	}
	binary.LittleEndian.PutUint64(sb[104:], 0)
	if _, err := ReadDevice(bytes.NewReader(early), int64(len(early))); err != nil {
		t.Errorf("a superblock whose offset and version are gone: %v", err)
	}
	clear(sb)
	if _, err := ReadDevice(bytes.NewReader(early), int64(len(early))); !errors.Is(err, ErrNotBcache) || !strings.HasSuffix(err.Error(), "it holds nothing that is known") {
		t.Errorf("%v", err)
	}
	if _, err := ReadDevice(bytes.NewReader(nil), 0); !errors.Is(err, ErrNotBcache) {
		t.Errorf("%v", err)
	}
}
