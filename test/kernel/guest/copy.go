// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// taken says how much of the scratch disk is.
const taken = "/tmp/taken"

// copyTo copies a device to the scratch disk, both past the page cache: an emulated processor is slow at moving memory.
// What comes of a device that cannot be read is an error and no line.
func copyTo(dev, scratch string, out io.Writer) error {
	from, err := os.OpenFile(dev, os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(scratch, os.O_WRONLY|syscall.O_DIRECT, 0)
	if err != nil {
		return err
	}
	start, err := begin()
	if err != nil {
		return errors.Join(err, to.Close())
	}
	size, err := copyAll(to, start, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	end := (start + size + sector - 1) / sector * sector
	if err := os.WriteFile(taken, []byte(strconv.FormatInt(end, 10)), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "copied:%d:%d\n", start, size)
	return err
}

// sector is what a write to the scratch disk is a multiple of.
const sector = 512

// begin is where the free part of the scratch disk begins.
func begin() (int64, error) {
	b, err := os.ReadFile(taken)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// copyAll returns how many bytes there were; the last write may be longer.
func copyAll(to *os.File, start int64, from io.Reader) (size int64, err error) {
	buf := aligned(1 << 20)
	for {
		n, err := io.ReadFull(from, buf)
		whole := (n + sector - 1) / sector * sector
		clear(buf[n:whole])
		if n > 0 {
			if _, err := to.WriteAt(buf[:whole], start+size); err != nil {
				return size, err
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}
