// SPDX-License-Identifier: GPL-2.0-only

// Package disk is the one door for what bctl reads: a block device or an image file. What is behind it is a Device,
// and nothing above asks of what kind. Writers claim their devices in package blockdev.
package disk

import (
	"fmt"
	"io"
	"strings"

	"bctl/internal/disk/blockdev"
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
// writes. Errors wrap blockdev.ErrNotDevice or the system's.
func Open(path string) (Device, error) {
	d, err := blockdev.Open(path)
	if err != nil {
		return nil, err
	}
	return d, nil
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
