// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/change"
	"bctl/internal/disk/full"
	"bctl/internal/lab/powercut"
)

// A medium is a device in memory that a repair may be written to.
type medium struct{ *powercut.Device }

// WriteAt is that of a buffered device: what is no whole sector is filled up.
func (m medium) WriteAt(b []byte, off int64) (int, error) {
	from, to := off/powercut.Sector*powercut.Sector, (off+int64(len(b))+powercut.Sector-1)/powercut.Sector*powercut.Sector
	whole := make([]byte, to-from)
	if err := full.ReadAt(m, whole, from); err != nil {
		return 0, err
	}
	copy(whole[off-from:], b)
	if _, err := m.Device.WriteAt(whole, from); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (medium) Path() string    { return "/dev/medium" }
func (medium) IsBlock() bool   { return false }
func (medium) CanWrite() error { return nil }
func (medium) Arm() error      { return nil }

// takenBack carries a repair out, with its undo file, takes it back, and says where the devices are not as they were,
// byte for byte.
func takenBack(t testing.TB, devs []fsck.Device, r *repair.Result) (bad verdict) {
	t.Helper()
	for i, p := range r.Plans {
		if p == nil {
			continue
		}
		dev := medium{powercut.New(devs[i].R, devs[i].Size)}
		file := filepath.Join(t.TempDir(), "undo")
		if _, err := change.Run(t.Context(), change.Options{Command: "fsck", Undo: file}, change.Stage{Dev: dev, Plan: p}); err != nil {
			if !r.Unread {
				bad.Add("device %d: not carried out: %v", i, err)
			}
			continue // what cannot be read cannot be kept
		}
		u, done, err := change.OpenUndo(file)
		if err != nil {
			bad.Add("device %d: %v", i, err)
			continue
		}
		if err := change.TakeBack(t.Context(), change.Options{Command: "undo"}, u, dev); err != nil {
			bad.Add("device %d: not taken back: %v", i, err)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
		for _, e := range dev.Events() {
			was, is := make([]byte, len(e.Data)), make([]byte, len(e.Data))
			if full.ReadAt(devs[i].R, was, e.Off) == nil && (full.ReadAt(dev, is, e.Off) != nil || !bytes.Equal(was, is)) {
				bad.Add("device %d: %d bytes at %d are not taken back", i, len(was), e.Off)
				break
			}
		}
	}
	return bad
}
