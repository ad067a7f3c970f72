// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"os"

	"bctl/internal/disk/blockdev/udev"
)

// Hold keeps udev from handing the device to the kernel until it is closed. It is false where udev is told nothing: of an
// image file, or where none runs. A hold that stands already stays when the device is closed. Errors: udev's.
func (d *Device) Hold() (held bool, err error) {
	if !d.IsBlock() || !udev.Live.Running() {
		return false, nil
	}
	if d.udev != "" {
		return true, nil
	}
	n := number(d.info).String()
	_, taken, err := udev.Live.Take(n, d.path, os.Getpid())
	if taken {
		d.udev = n
	}
	return err == nil, err
}

// letGo ends what Hold began, once nobody has the device open any more.
func (d *Device) letGo() error {
	if d.udev == "" {
		return nil
	}
	n := d.udev
	d.udev = ""
	return udev.Live.Release(n)
}

// HoldByHand is Hold until Release. It returns what stood there before, nil for nothing.
func HoldByHand(path string) (before *udev.Hold, held bool, err error) {
	d, err := Open(path)
	if err != nil {
		return nil, false, err
	}
	defer d.Close()
	if !d.IsBlock() || !udev.Live.Running() {
		return nil, false, nil
	}
	n := number(d.info).String()
	before = udev.Live.Find(n)
	if before != nil && !before.Stale {
		return before, true, nil
	}
	_, held, err = udev.Live.Take(n, path, 0)
	return before, held, err
}

// Release ends a hold, whoever's: nil where there was none.
func Release(path string) (was *udev.Hold, err error) {
	d, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	n := number(d.info).String()
	if !d.IsBlock() || !udev.Live.Running() {
		return nil, nil
	}
	if was = udev.Live.Find(n); was == nil {
		return nil, nil
	}
	return was, udev.Live.Release(n)
}
