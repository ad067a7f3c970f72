// SPDX-License-Identifier: GPL-2.0-only

// Guest runs inside the virtual machine of test/kernel. It does seeded I/O on a device:
//
//	guest write DEVICE WORKLOAD    direct writes, in order
//	guest read  DEVICE WORKLOAD    direct reads
//	guest copy  DEVICE SCRATCH     all of it to the scratch disk, behind what is there; a line "copied:OFFSET:SIZE"
//	guest replay DEVICE OPS        the requests in a file, a line "REQUESTS MILLISECONDS"
//
// What is copied is for the host to hash: that takes an emulated processor five times as long as the copying.
//
// A WORKLOAD is the text form of workload.Workload.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"

	"bctl/test/kernel/workload"
)

var errUsage = errors.New("usage: guest write|read DEVICE WORKLOAD, guest copy DEVICE SCRATCH, or guest replay DEVICE OPS")

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	switch {
	case len(args) == 3 && (args[0] == "write" || args[0] == "read"):
		w, err := workload.Parse(args[2])
		if err != nil {
			return err
		}
		return do(args[1], w, args[0] == "write")
	case len(args) == 3 && args[0] == "copy":
		return copyTo(args[1], args[2], out)
	case len(args) == 3 && args[0] == "replay":
		return replay(args[1], args[2], out)
	}
	return errUsage
}

// do runs the workload past the page cache: what a write returns from, bcache has taken.
func do(dev string, w workload.Workload, write bool) error {
	f, err := os.OpenFile(dev, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	buf := aligned(int(w.Max))
	for op := range w.On(size) {
		b := buf[:op.Len]
		if write {
			w.Fill(b, op)
			_, err = f.WriteAt(b, op.Off)
		} else {
			_, err = f.ReadAt(b, op.Off)
		}
		if err == nil && write && w.Sync {
			err = f.Sync()
		}
		if err != nil {
			return fmt.Errorf("operation %d: %w", op.Number, err)
		}
	}
	return f.Sync()
}

// aligned is memory as direct I/O wants it.
func aligned(n int) []byte {
	const page = 4096
	b := make([]byte, n+page)
	skip := page - int(uintptr(unsafe.Pointer(&b[0]))%page)
	return b[skip : skip+n]
}
