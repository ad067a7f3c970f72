// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

// replay does recorded requests on a device, one at a time and from one thread, which is one task to bcache. A record is
// 24 bytes: offset<<1|write, length, and the microseconds after the start at which it may begin; length 0 ends.
func replay(dev, ops string, out io.Writer) error {
	runtime.LockOSThread()
	in, err := os.Open(ops)
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.OpenFile(dev, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(in, 1<<20)
	buf := aligned(1 << 20)
	var record [24]byte
	start, n := time.Now(), 0
	for ; ; n++ {
		if _, err := io.ReadFull(r, record[:]); err != nil {
			return err
		}
		place, length := binary.LittleEndian.Uint64(record[:]), binary.LittleEndian.Uint64(record[8:])
		at := time.Duration(binary.LittleEndian.Uint64(record[16:])) * time.Microsecond
		if length == 0 {
			break
		}
		time.Sleep(at - time.Since(start))
		b := buf[:length]
		if place&1 == 1 {
			_, err = syscall.Pwrite(int(f.Fd()), b, int64(place>>1))
		} else {
			_, err = syscall.Pread(int(f.Fd()), b, int64(place>>1))
		}
		if err != nil {
			return fmt.Errorf("request %d: %w", n, err)
		}
	}
	_, err = fmt.Fprintf(out, "%d %d\n", n, time.Since(start).Milliseconds())
	return err
}
