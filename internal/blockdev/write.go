package blockdev

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience is how long a writer waits for the lock of a disk: udev holds it while it looks at one.
const lockPatience = 2 * time.Second

// OpenExclusive opens path for reading and writing, and claims it. Errors wrap ErrInUse, with what holds the device
// and how to release it, ErrNotDevice, or the system's.
func OpenExclusive(path string) (*Device, error) { return openExclusive(path, lockPatience) }

func openExclusive(path string, patience time.Duration) (*Device, error) {
	// The number is read before the open: a device in use is not opened, but its holders are named.
	info, err := os.Stat(path)
	if err != nil {
		return nil, atPath(path, err)
	}
	flags := os.O_RDWR
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
		f.Close()
		return nil, inUse(path, h)
	}
	d, err := newDevice(f, path, true)
	if err != nil {
		return nil, err
	}
	if err := d.lock(patience); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Create makes an image file of size bytes, all of them a hole, and claims it. It errors with ErrExists where path
// names anything but an empty file.
func Create(path string, size int64) (*Device, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return createIn(path, size, err)
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		os.Remove(path)
		return nil, atPath(path, err)
	}
	d, err := newDevice(f, path, true)
	if err == nil {
		err = d.lock(lockPatience)
	}
	return d, err
}

// createIn is Create where something is at path already: an empty file holds nothing that could be lost.
func createIn(path string, size int64, cause error) (*Device, error) {
	info, err := os.Lstat(path)
	if err != nil || !errors.Is(cause, os.ErrExist) {
		return nil, atPath(path, cause)
	}
	exists := fmt.Errorf("%s: %w", path, ErrExists)
	if !info.Mode().IsRegular() || info.Size() != 0 {
		return nil, exists
	}
	d, err := OpenExclusive(path)
	if err != nil {
		return nil, err
	}
	if d.size != 0 { // it grew before it was claimed
		d.Close()
		return nil, exists
	}
	if err := d.f.Truncate(size); err != nil {
		d.Close()
		return nil, atPath(path, err)
	}
	d.size = size
	return d, nil
}

// lock takes the lock that udev and others respect: on the whole disk, never on the partition. An image file is
// its own disk, and so is a partition whose disk has no node. Whoever holds the lock gets patience to let go.
func (d *Device) lock(patience time.Duration) error {
	f := d.f
	if d.IsBlock() {
		if node := live.wholeDisk(number(d.info)); node != "" {
			whole, err := os.OpenFile(node, os.O_RDONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				return atPath(node, err)
			}
			d.whole, f = whole, whole
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
	if !d.writer {
		return 0, fmt.Errorf("%s: %w", d.path, ErrReadOnly)
	}
	n, err := d.f.WriteAt(b, off)
	if err != nil {
		err = atPath(d.path, err)
	}
	return n, err
}

// Sync waits until all that was written is on the medium, and forgets the cached copy, so that what is read after
// it comes from there.
func (d *Device) Sync() error {
	if err := d.f.Sync(); err != nil {
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
