// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/signature"
)

// errReadBack says that a device does not hold what was written to it.
var errReadBack = errors.New("read back something else than was written")

// arm opens for writing, or makes the image file. Nothing is written before all devices got here.
func (t *target) arm(o formatOptions) (err error) {
	if t.dev != nil {
		return t.dev.Arm()
	}
	_, missing := os.Lstat(t.path)
	t.dev, err = blockdev.Create(t.path, o.size)
	t.made = err == nil && missing != nil
	return err
}

// close lets go of the device. A file made for nothing is removed.
func (t *target) close(done bool) {
	if t.dev == nil {
		return
	}
	t.dev.Close()
	if t.made && !done {
		os.Remove(t.path)
	}
}

// write does it, in an order that leaves no half of a superblock behind: first what is there becomes invisible,
// then the new one appears, and it is on the medium before anybody hears of it.
func (t *target) write(o formatOptions) error {
	if t.dev.IsBlock() {
		o.note(t.path + ": when it is closed, udev looks at it and may hand it to the kernel, which then writes to it")
	}
	if err := t.dev.Zero(0, ondisk.SuperOffset); err != nil {
		return err
	}
	for _, z := range t.zero {
		if err := t.dev.Zero(z.off, z.n); err != nil {
			return err
		}
	}
	if err := t.writeSet(); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	if _, err := t.dev.WriteAt(t.super.Append(nil), ondisk.SuperOffset); err != nil {
		return err
	}
	if err := t.dev.Sync(); err != nil {
		return err
	}
	if err := t.verify(); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	for _, f := range t.left {
		o.note(fmt.Sprintf("%s: %v was left: it lies in the volume's data", t.path, f))
	}
	return nil
}

// verify reads all of it back, and looks for signatures as others will.
func (t *target) verify() error {
	b := make([]byte, ondisk.SuperOffset+ondisk.SuperSize)
	if _, err := t.dev.ReadAt(b, 0); err != nil {
		return err
	}
	want := t.super.Append(make([]byte, ondisk.SuperOffset))
	if !bytes.Equal(b, want) {
		return errReadBack
	}
	found, err := signature.Probe(t.dev, t.size)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Name != "bcache" && !slices.Contains(t.left, f) {
			return fmt.Errorf("%w: there is still %v", errReadBack, f)
		}
	}
	return nil
}
