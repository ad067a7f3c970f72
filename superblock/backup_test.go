// SPDX-License-Identifier: GPL-2.0-only

package superblock_test

import (
	"bytes"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// sampleBackup is a whole one.
func sampleBackup(t testing.TB) []byte {
	t.Helper()
	s := &ondisk.Super{Offset: uint64(ondisk.SuperSector), Magic: ondisk.SuperMagic, Version: ondisk.VersionBacking, UUID: ondisk.UUID{1}, BlockSize: 8}
	s.Csum = s.Checksum()
	saved, err := superblock.Save("/dev/sda1", 1<<30, s)
	if err != nil {
		t.Fatal(err)
	}
	text, err := superblock.Backup{Created: "2026-01-01T00:00:00Z", Devices: []superblock.Saved{saved}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Any bytes are a backup that encodes to one of the same meaning, or an error.
func FuzzDecodeBackup(f *testing.F) {
	f.Add(sampleBackup(f))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := superblock.DecodeBackup(text)
		if err != nil {
			return
		}
		again, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := superblock.DecodeBackup(again); err != nil || c.Digest != b.Digest {
			t.Errorf("%v: %q", err, text)
		}
	})
}

// Any byte of what it means that is changed is noticed.
func TestBackupDigest(t *testing.T) {
	text := sampleBackup(t)
	for _, word := range []string{"sda1", "2026", "1073741824", "backing"} {
		at := bytes.Index(text, []byte(word))
		bent := bytes.Clone(text)
		bent[at] ^= 1
		if _, err := superblock.DecodeBackup(bent); err == nil {
			t.Errorf("%s: it was not noticed", word)
		}
	}
	if _, err := superblock.DecodeBackup(text); err != nil {
		t.Error(err)
	}
}
