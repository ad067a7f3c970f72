// SPDX-License-Identifier: GPL-2.0-only

// Package blockdev opens block devices and image files: size, logical block, reading, and for writers an exclusive
// claim. It owns golang.org/x/sys/unix.
//
// A reader opens O_RDONLY and nothing else: closing a writable handle makes udev look at the device again, and for
// a bcache device that means handing it to the kernel. A writer first claims the device, still for reading, with
// O_EXCL, which fails as long as the kernel (a mount, swap, dm, md, bcache) or another such program has it, and takes
// the lock udev respects on the whole disk. An image file is claimed by the same lock alone. Only when it is sure of
// the device does it arm itself.
package blockdev

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

var (
	ErrInUse     = errors.New("in use")
	ErrTwice     = errors.New("given twice")
	ErrNotDevice = errors.New("not a block device or an image file")
	ErrExists    = errors.New("already exists")
	ErrReadOnly  = errors.New("opened for reading only")
	ErrProtected = errors.New("write-protected")
)

// SectorBytes is the logical block of whatever has none of its own.
const SectorBytes = 512

// A Device is an open block device or image file. Its methods may be called from several goroutines at a time.
type Device struct {
	f       *os.File
	w       *os.File // of writers
	whole   *os.File // of claims: the whole disk, locked, where f is a partition
	disk    devnum   // of claims: what is locked, or whose lock is shared
	path    string
	info    fs.FileInfo
	size    int64
	logical int

	protected bool         // BLKROGET
	udev      []string     // the numbers that Hold holds, of those too that shared the lock
	note      func(string) // gets what hinders the end of that
	owner     *Device      // of the lock, where it is shared
	closed    bool

	held   []Holder // of readers: who uses it
	direct *os.File // of readers of what is in use: past the page cache

	mediumOnce sync.Once
	medium     *os.File // of ReadMedium; nil where there is none
	memory     bool     // set with it: there is nothing but the page cache
	writeOnce  sync.Once
	past       *os.File // of WriteMedium; nil where there is none

	inside *Inside // of files that hold a device in another form
}

// Open opens path for reading. A device in use is read past the page cache. Errors wrap ErrNotDevice or the system's.
func Open(path string) (*Device, error) {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	d, err := newDevice(f, path)
	if err != nil || !d.IsBlock() {
		return d, err
	}
	if d.held = live.holders(number(d.info)); len(d.held) > 0 {
		d.bypass()
	}
	return d, nil
}

// InUse is who used the device when Open opened it.
func (d *Device) InUse() []Holder { return d.held }

// Same reports whether other is the same device, by whatever path.
func (d *Device) Same(other *Device) bool {
	if d.inside != nil && other.inside != nil && d.inside.Part != other.inside.Part {
		return false
	}
	return d.is(other.info)
}

// open opens what is a block device or a file, and nothing else: a fifo would make it wait for a writer.
func open(path string, flags int) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, atPath(path, err)
	}
	if err := kind(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, atPath(path, err)
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w: it was replaced while it was opened", path, ErrNotDevice)
	}
	return f, nil
}

func newDevice(f *os.File, path string) (*Device, error) {
	d := &Device{f: f, path: path, logical: SectorBytes}
	err := d.measure()
	if err != nil {
		_ = f.Close()
		return nil, atPath(path, err)
	}
	return d, nil
}

func (d *Device) measure() (err error) {
	if d.info, err = d.f.Stat(); err != nil {
		return err
	}
	if !d.IsBlock() {
		d.size, err = d.f.Seek(0, io.SeekEnd)
		return err
	}
	return d.control(func(fd uintptr) error {
		// One raw call: the helpers of unix read an int, which is too short on 32-bit machines.
		var size uint64
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size))); errno != 0 {
			return fmt.Errorf("size: %w", errno)
		}
		d.size = int64(size)
		logical, err := unix.IoctlGetUint32(int(fd), unix.BLKSSZGET)
		if err != nil {
			return fmt.Errorf("logical block size: %w", err)
		}
		d.logical = int(logical)
		// A driver may let a protected device be opened for writing, and then fail every write.
		protected, err := unix.IoctlGetUint32(int(fd), unix.BLKROGET)
		d.protected = err == nil && protected != 0
		return nil
	})
}

// control runs fn on the descriptor without making it blocking, as File.Fd would.
func (d *Device) control(fn func(fd uintptr) error) error { return control(d.f, fn) }

func control(f *os.File, fn func(fd uintptr) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = fn(fd) }); err != nil {
		return err
	}
	return inner
}

// kind refuses what is neither a block device nor a regular file, in words that say what it is.
func kind(path string, info fs.FileInfo) error {
	is := ""
	switch m := info.Mode(); {
	case m.IsRegular(), isBlock(m):
		return nil
	case m.IsDir():
		is = "a directory"
	case m&fs.ModeNamedPipe != 0:
		is = "a fifo"
	case m&fs.ModeSocket != 0:
		is = "a socket"
	case m&fs.ModeCharDevice != 0:
		is = "a character device"
	default:
		is = "of mode " + m.String()
	}
	return fmt.Errorf("%s: %w: it is %s", path, ErrNotDevice, is)
}

func isBlock(m fs.FileMode) bool { return m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 }

// atPath puts the path before the cause, once: an os.PathError brings the verb and the path in its own order.
func atPath(path string, err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Path is what the device was opened by.
func (d *Device) Path() string { return d.path }

// IsBlock reports whether it is a block device, not an image file.
func (d *Device) IsBlock() bool { return isBlock(d.info.Mode()) }

// Size is in bytes, as it was when the device was opened.
func (d *Device) Size() int64 { return d.size }

// LogicalBlock is the smallest unit the device reads and writes, in bytes; 512 for an image file.
func (d *Device) LogicalBlock() int { return d.logical }

// PreferredBlock is what make-bcache takes as a device's block size, in bytes: the logical block, and of an image
// file the unit its filesystem likes (st_blksize).
func (d *Device) PreferredBlock() int {
	if st, ok := d.info.Sys().(*syscall.Stat_t); ok && !d.IsBlock() {
		return int(st.Blksize)
	}
	return d.logical
}

// is reports whether info is of the same device, by whatever path.
func (d *Device) is(info fs.FileInfo) bool {
	if d.IsBlock() && isBlock(info.Mode()) {
		return number(d.info) == number(info)
	}
	return os.SameFile(d.info, info)
}

// A devnum is the number of a device, or of a block device's node.
type devnum struct{ major, minor uint32 }

func (n devnum) String() string { return fmt.Sprintf("%d:%d", n.major, n.minor) }

// number is the device that a node stands for.
func number(info fs.FileInfo) devnum {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return devnum{}
	}
	return devnum{unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))} //nolint:unconvert // 32 bits on mips
}

// ReadAt is io.ReaderAt.
func (d *Device) ReadAt(b []byte, off int64) (int, error) {
	read := d.f.ReadAt
	switch {
	case d.inside != nil:
		read = d.inside.ReadAt
	case d.direct != nil:
		read = func(b []byte, off int64) (int, error) { return d.readDirect(d.direct, b, off) }
	}
	n, err := read(b, off)
	if err != nil && err != io.EOF {
		err = atPath(d.path, err)
	}
	return n, err
}

// Close gives the device and its lock up. For an armed block device this is when udev looks at it.
func (d *Device) Close() error {
	var err error
	if d.past != nil {
		err = d.past.Close()
	}
	if d.w != nil {
		err = errors.Join(err, d.w.Close()) // first: whom it makes look finds the lock gone a moment later
	}
	if d.inside != nil {
		err = errors.Join(err, d.inside.Close())
	}
	err = errors.Join(err, d.f.Close())
	if d.direct != nil {
		err = errors.Join(err, d.direct.Close())
	}
	if d.medium != nil {
		err = errors.Join(err, d.medium.Close())
	}
	if d.whole != nil {
		err = errors.Join(err, d.whole.Close())
	}
	d.closed = true
	d.letGo()
	if err != nil {
		return atPath(d.path, err)
	}
	return nil
}
