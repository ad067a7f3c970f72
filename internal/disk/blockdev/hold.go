// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"errors"
	"os"
	"slices"

	"bctl/internal/disk/blockdev/udev"
)

// Hold keeps udev from handing the device to the kernel until it is closed. It is false where udev is told nothing: of an
// image file, or where none runs. A hold that stands already stays when the device is closed. Errors: udev's.
func (d *Device) Hold() (held bool, err error) {
	if !d.IsBlock() || !udev.Live.Running() {
		return false, nil
	}
	n := number(d.info).String()
	if slices.Contains(d.udev, n) {
		return true, nil
	}
	_, taken, err := udev.Live.Take(n, d.path, os.Getpid())
	if taken {
		d.udev = append(d.udev, n)
	}
	return err == nil, err
}

// letGo ends what Hold began, once nobody has the device open any more, nor its disk's lock: udev would wait for that.
func (d *Device) letGo() (err error) {
	held := d.udev
	d.udev = nil
	if d.owner != nil && !d.owner.closed {
		d.owner.udev = append(d.owner.udev, held...)
		return nil
	}
	for _, n := range held {
		err = errors.Join(err, udev.Live.Release(n))
	}
	return err
}

// HoldByHand is Hold until Release. It returns what stood there before, nil for nothing, and who uses the device all the
// same, the kernel's bcache: the hold is for when it has let go of it.
func HoldByHand(path string) (before *udev.Hold, held bool, users []Holder, err error) {
	d, err := Open(path)
	if err != nil {
		return nil, false, nil, err
	}
	defer d.Close()
	if !d.IsBlock() || !udev.Live.Running() {
		return nil, false, nil, nil
	}
	n := number(d.info).String()
	before = udev.Live.Find(n)
	if before == nil || before.Stale {
		// Udev has the lock while it looks at a device, by the rules of before. Where somebody else has it, it is not looking.
		if err := d.lock(udev.Live.Patience, nil); err != nil && !errors.Is(err, ErrInUse) {
			return before, false, nil, err
		}
		if _, _, err = udev.Live.Take(n, path, 0); err != nil {
			return before, false, nil, err
		}
	}
	return before, true, live.kernels(number(d.info)), nil
}

// Release ends a hold, whoever's: nil where there was none. users is as HoldByHand's.
func Release(path string) (was *udev.Hold, users []Holder, err error) {
	d, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer d.Close()
	if !d.IsBlock() || !udev.Live.Running() {
		return nil, nil, nil
	}
	n := number(d.info)
	if was = udev.Live.Find(n.String()); was != nil {
		err = udev.Live.Release(n.String())
	}
	return was, live.kernels(n), err
}
