// SPDX-License-Identifier: GPL-2.0-only

// Package disk is the one door for what bctl reads: a block device, an image file, or a metadata image. What is behind
// it is a Device, and nothing above asks of what kind. Writers claim their devices in package blockdev.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"bctl/internal/disk/blockdev"
	"bctl/internal/hint"
)

// A Device is something open for reading. Its methods may be called from several goroutines at a time.
type Device interface {
	io.ReaderAt
	io.Closer
	Path() string      // what it was opened by
	Size() int64       // bytes, as it was when it was opened
	LogicalBlock() int // bytes: the smallest unit it reads and writes
	InUse() []blockdev.Holder
}

// Open opens path for reading. What the kernel uses meanwhile is read past the page cache, which need not know what it
// writes. Of a metadata image it is the cache, and with #N behind its name device N of those that are in it. Errors wrap
// blockdev.ErrNotDevice, or are those of a damaged image or the system's.
func Open(path string) (Device, error) {
	d, err := Read(path)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Read is Open, for those who need what only a *blockdev.Device has.
func Read(path string) (*blockdev.Device, error) {
	file, part := path, 0
	d, err := blockdev.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		var named bool
		if file, part, named = partOf(path); !named {
			return nil, err
		}
		d, err = blockdev.Open(file)
	}
	if err != nil {
		return nil, err
	}
	in, err := inside(d, part)
	switch {
	case err != nil:
		d.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	case in != nil:
		d.Show(path, in)
	case file != path:
		d.Close()
		return nil, fmt.Errorf("%s: %w: %s is no metadata image", path, fs.ErrNotExist, file)
	}
	return d, nil
}

// partOf splits FILE#N.
func partOf(path string) (file string, part int, ok bool) {
	i := strings.LastIndexByte(path, '#')
	if i <= 0 {
		return path, 0, false
	}
	n, err := strconv.ParseUint(path[i+1:], 10, 16)
	return path[:i], int(n), err == nil
}

// Writable says with blockdev.ErrImage that path is a metadata image, which nobody writes to: repairs are practised on
// a file that it is restored to.
func Writable(path string) error {
	file := path
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		file, _, _ = partOf(path)
		info, err = os.Stat(file)
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil // whoever opens it says why
	}
	d, err := Read(path)
	if err != nil {
		return nil
	}
	defer d.Close()
	if d.Shown() == nil {
		return nil
	}
	return hint.Add(fmt.Errorf("%s: %w", path, blockdev.ErrImage), "bctl image --restore %s FILE makes a sparse file of it, to practise on", hint.Quote(file))
}

// Note is a line about a device that somebody uses, or "".
func Note(d Device) string {
	var users []string
	for _, h := range d.InUse() {
		users = append(users, h.What)
	}
	if len(users) == 0 {
		return ""
	}
	return fmt.Sprintf("%s is in use, %s: it may change while it is read", d.Path(), strings.Join(users, ", "))
}

// Same reports whether two devices are one, by whatever names.
func Same(a, b Device) bool {
	x, ok1 := a.(*blockdev.Device)
	y, ok2 := b.(*blockdev.Device)
	return ok1 && ok2 && x.Same(y)
}

// List is the block devices of this host: see blockdev.List.
func List() ([]blockdev.Node, error) { return blockdev.List() }

// Registered is whether the kernel's bcache has a device, nil if not: see blockdev.Device.
func Registered(d Device) *blockdev.Registered {
	if x, ok := d.(*blockdev.Device); ok {
		return x.Registered()
	}
	return nil
}
