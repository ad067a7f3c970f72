// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"bctl/internal/bcache/ondisk"
)

// A Backup is the superblocks of some devices, and whose they are: a small file of JSON. The digest is over all of it.
type Backup struct {
	What    string  `json:"what"` // backupWhat
	Version int     `json:"format_version"`
	Created string  `json:"created"`
	Devices []Saved `json:"devices"`
	Digest  string  `json:"sha256"`
}

// Saved is one superblock and its device.
type Saved struct {
	Device  string `json:"device"` // the path that it had
	Size    int64  `json:"size_bytes"`
	Kind    string `json:"type"`
	UUID    string `json:"uuid"`
	SetUUID string `json:"set_uuid"`
	Raw     []byte `json:"superblock"` // ondisk.SuperSize bytes
}

const (
	backupWhat    = "bcache superblocks, saved by bctl super backup"
	backupVersion = 1
	backupMost    = 4096 // devices
)

// ErrBackup says that a file is no whole backup.
var ErrBackup = errors.New("not a whole backup of superblocks")

// Save is the superblock s of a device. Errors wrap ErrChecksum: what is damaged is not worth keeping.
func Save(path string, size int64, s *ondisk.Super) (Saved, error) {
	if len(Unrecognised(s)) > 0 {
		return Saved{}, fmt.Errorf("%w: what the kernel does not recognise is not worth keeping", ErrChecksum)
	}
	return Saved{path, size, Kind(s), s.UUID.String(), s.SetUUID.String(), s.Append(nil)}, nil
}

// Encode makes the file.
func (b Backup) Encode() ([]byte, error) {
	b.What, b.Version = backupWhat, backupVersion
	sum, err := b.sum()
	if err != nil {
		return nil, err
	}
	b.Digest = sum
	out, err := json.MarshalIndent(b, "", "  ")
	return append(out, '\n'), err
}

func (b Backup) sum() (string, error) {
	b.Digest = ""
	text, err := json.Marshal(b)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// DecodeBackup is Encode's inverse. Errors wrap ErrBackup.
func DecodeBackup(text []byte) (b Backup, err error) {
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	switch sum, err := b.sum(); {
	case b.What != backupWhat:
		return b, fmt.Errorf("%w: it is something else", ErrBackup)
	case b.Version != backupVersion:
		return b, fmt.Errorf("%w: version %d, want %d", ErrBackup, b.Version, backupVersion)
	case err != nil || sum != b.Digest || len(b.Devices) > backupMost:
		return b, fmt.Errorf("%w: its checksum is wrong", ErrBackup)
	}
	for _, d := range b.Devices {
		s, err := ondisk.DecodeSuper(d.Raw)
		if err != nil || len(d.Raw) != ondisk.SuperSize || len(Unrecognised(s)) > 0 || s.UUID.String() != d.UUID {
			return b, fmt.Errorf("%w: the superblock of %q is none", ErrBackup, d.Device)
		}
	}
	return b, nil
}
