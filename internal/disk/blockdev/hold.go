// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"bctl/internal/disk/blockdev/udev"
)

// Hold keeps udev from handing the device to the kernel until it is closed. It is false where udev is told nothing: of an
// image file, or where none runs. A hold that stands already stays when the device is closed. note gets what hinders its
// end. Errors: udev's.
func (d *Device) Hold(note func(string)) (held bool, err error) {
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
		d.note = note
	}
	return err == nil, err
}

// letGo ends what Hold began, once nobody has the device open any more, nor its disk's lock: udev would wait for that.
// What somebody has taken over by hand meanwhile is theirs.
func (d *Device) letGo() {
	held := d.udev
	d.udev = nil
	if len(held) == 0 {
		return // it has nobody to tell anything either
	}
	if d.owner != nil && !d.owner.closed {
		d.owner.udev, d.owner.note = append(d.owner.udev, held...), d.note
		return
	}
	for _, n := range held {
		if now := udev.Live.Find(n); now == nil || now.PID != os.Getpid() {
			continue
		}
		if err := udev.Live.Release(n); err != nil {
			d.note(fmt.Sprintf("%s: %v; bctl release ends that", d.path, err))
		}
	}
}

// lookTime is how long udev may look at one device.
const lookTime = 20 * time.Second

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
	if before = udev.Live.Find(n); before == nil || before.Stale {
		// Udev has the lock while it looks at a device, by the rules of before; whoever else has it, for longer, keeps udev away.
		if err := d.lock(lookTime, nil); err != nil && !errors.Is(err, ErrInUse) {
			return before, false, nil, err
		}
	}
	if _, _, err = udev.Live.Take(n, path, 0); err != nil {
		return before, false, nil, err
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
	switch was = udev.Live.Find(n.String()); {
	case was == nil:
	case was.PID != 0 && !was.Stale: // udev waits for who has it
		err = udev.Live.Drop(n.String())
	default:
		err = udev.Live.Release(n.String())
	}
	return was, live.kernels(n), err
}
