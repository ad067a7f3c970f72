// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience is how long a writer waits for the lock of a disk: udev holds it while it looks at one.
const lockPatience = 2 * time.Second

// OpenExclusive claims path and opens it for writing: Claim and Arm in one.
func OpenExclusive(path string) (*Device, error) {
	d, err := Claim(path)
	if err != nil {
		return nil, err
	}
	if err := d.Arm(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Claim opens path for reading and keeps everybody else from claiming it, so that it can be looked at before it is
// written. held are the devices that this program has claimed already: one disk has one lock, which several of its
// partitions share; held must be closed later. Errors wrap ErrInUse, with what holds the device and how to release
// it, ErrTwice, ErrNotDevice, or the system's.
func Claim(path string, held ...*Device) (*Device, error) { return claim(path, lockPatience, held) }

func claim(path string, patience time.Duration, held []*Device) (*Device, error) {
	// The number is read before the open: a device in use is not opened, but its holders are named.
	info, err := os.Stat(path)
	if err != nil {
		return nil, atPath(path, err)
	}
	for _, h := range held {
		if h.is(info) {
			return nil, fmt.Errorf("%s: %w: %s is the same device", path, ErrTwice, h.path)
		}
	}
	flags := os.O_RDONLY
	if isBlock(info.Mode()) {
		flags |= unix.O_EXCL
	}
	f, err := open(path, flags)
	if errors.Is(err, unix.EBUSY) {
		return nil, inUse(path, live.holders(number(info)))
	}
	if err != nil {
		return nil, err
	}
	if h := live.loops(info); len(h) > 0 {
		_ = f.Close()
		return nil, inUse(path, h)
	}
	if n := number(info); isBlock(info.Mode()) {
		if h := live.multipath(live.dir(n), n); len(h) > 0 {
			_ = f.Close()
			return nil, inUse(path, h)
		}
	}
	d, err := newDevice(f, path)
	if err != nil {
		return nil, err
	}
	if err := d.lock(patience, held); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// CanWrite says why Arm would fail, as far as can be told without opening for writing.
func (d *Device) CanWrite() error {
	if d.protected {
		return fmt.Errorf("%s: %w; blockdev --setrw lifts that, if the hardware does not insist", d.path, ErrProtected)
	}
	if err := unix.Access(d.path, unix.W_OK); err != nil {
		return atPath(d.path, err)
	}
	return nil
}

// Arm opens a claimed device for writing. It is a second handle: closing a writable one makes udev look at the
// device, and one that turned out not to be ours to write is better not looked at. An armed device stays as it is.
func (d *Device) Arm() error {
	if d.w != nil {
		return nil
	}
	if err := d.CanWrite(); err != nil {
		return err
	}
	w, err := open(d.path, os.O_RDWR)
	if err != nil {
		return err
	}
	if info, err := w.Stat(); err != nil || !d.is(info) {
		_ = w.Close()
		return fmt.Errorf("%s: %w: it was replaced while it was claimed", d.path, ErrNotDevice)
	}
	d.w = w
	return nil
}

// CanCreate says with ErrExists that path names something that Create would not replace: anything but an empty
// file, which holds nothing that could be lost.
func CanCreate(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return atPath(path, err)
	case !info.Mode().IsRegular() || info.Size() != 0:
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	return nil
}

// Create makes an image file of size bytes, all of them a hole, claims it and opens it for writing. What it could
// not finish is not left behind.
func Create(path string, size int64) (*Device, error) {
	if err := CanCreate(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	created := err == nil
	switch {
	case created:
		_ = f.Close()
	case !errors.Is(err, os.ErrExist):
		return nil, atPath(path, err)
	}
	d, err := OpenExclusive(path)
	if err == nil {
		if err = d.grow(size); err == nil {
			return d, nil
		}
		d.Close()
	}
	if created {
		os.Remove(path)
	}
	return nil, err
}

// grow gives an empty file its size. One that is no longer empty is somebody else's.
func (d *Device) grow(size int64) error {
	if d.size != 0 {
		return fmt.Errorf("%s: %w", d.path, ErrExists)
	}
	if err := d.w.Truncate(size); err != nil {
		return atPath(d.path, err)
	}
	d.size = size
	return nil
}

// lock takes the lock that udev and others respect: on the whole disk, never on the partition. An image file is
// its own disk, and so is a partition whose disk has no node. Whoever holds the lock gets patience to let go.
func (d *Device) lock(patience time.Duration, held []*Device) error {
	f := d.f
	if d.IsBlock() {
		d.disk = number(d.info)
		node := live.wholeDisk(d.disk)
		if node != "" {
			whole, err := os.OpenFile(node, os.O_RDONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				return atPath(node, err)
			}
			d.whole, f = whole, whole
			info, err := whole.Stat()
			if err != nil {
				return atPath(node, err)
			}
			d.disk = number(info)
		}
		if i := slices.IndexFunc(held, func(h *Device) bool { return h.IsBlock() && h.disk == d.disk }); i >= 0 {
			d.owner = cmp.Or(held[i].owner, held[i])
			return nil
		}
	}
	deadline := time.Now().Add(patience)
	for {
		err := control(f, func(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return atPath(d.path, fmt.Errorf("lock: %w", err))
		case time.Now().After(deadline):
			return inUse(d.path, []Holder{{"locked by another program (lslocks names it)", "wait for it to end"}})
		}
		time.Sleep(lockPatience / 20)
	}
}

// WriteAt is io.WriterAt.
func (d *Device) WriteAt(b []byte, off int64) (int, error) {
	if d.w == nil {
		return 0, fmt.Errorf("%s: %w", d.path, ErrReadOnly)
	}
	n, err := d.w.WriteAt(b, off)
	if err != nil {
		err = atPath(d.path, err)
	}
	return n, err
}

// Sync waits until all that was written is on the medium, and forgets the cached copy, so that what is read after
// it comes from there.
func (d *Device) Sync() error {
	if d.w == nil {
		return nil
	}
	if err := d.w.Sync(); err != nil {
		return atPath(d.path, err)
	}
	// Without the advice the read is still right, only from memory.
	_ = d.control(func(fd uintptr) error { return unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) })
	return nil
}

// Zero makes n bytes from off on read as zero. It writes them: a discard promises nothing.
func (d *Device) Zero(off, n int64) error {
	const step = 1 << 20
	zeroes := make([]byte, min(n, step))
	for n > 0 {
		k := min(n, step)
		if _, err := d.WriteAt(zeroes[:k], off); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}
