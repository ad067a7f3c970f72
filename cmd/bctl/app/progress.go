// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"os"
	"strconv"
	"syscall"

	"github.com/urfave/cli/v2"

	"bctl/internal/ui/progress"
)

// ProgressFlag is fsck(8)'s -C.
func ProgressFlag() cli.Flag {
	return &cli.StringFlag{Name: "C", Usage: "progress: a bar if `FD` is 0, else lines \"pass done of device\" to that descriptor"}
}

// ProgressTo reads it: without, there is no progress. done is called when it is over.
func (a *Args) ProgressTo(io *IO, device string) (start progress.Starter, done func(), err error) {
	start, done = io.Watched(progress.Silent), func() {}
	if !a.Given("C") {
		return start, done, nil
	}
	fd, err := strconv.Atoi(a.String("C"))
	switch {
	case err != nil || fd < 0:
		return nil, done, Usagef("-C %q: not a file descriptor, 0 or more", a.String("C"))
	case fd > 0:
		own, err := syscall.Dup(fd) // the descriptor is the caller's: no collector closes our copy early
		if err != nil {
			return nil, done, Usagef("-C %d: %v", fd, err)
		}
		lines := os.NewFile(uintptr(own), "progress")
		return io.Watched(progress.Lines(lines, device)), func() { _ = lines.Close() }, nil
	case IsTerminal(io.Err):
		start = io.Watched(progress.On(io.Err))
	}
	return start, done, nil
}
