// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"
	"syscall"
)

// The exit codes of fsck(8), which every command keeps to.
const (
	ExitFine        = 0
	ExitRepaired    = 1
	ExitDamage      = 4
	ExitCannot      = 8
	ExitUsage       = 16
	ExitInterrupted = 32
)

// exitTable is what help and manual say about them.
var exitTable = []struct {
	code int
	text string
}{
	{ExitFine, "fine"},
	{ExitRepaired, "damage was found, and all of it repaired"},
	{ExitDamage, "damage was found, and is still there"},
	{ExitCannot, "it could not be done: the device cannot be read, is none of bcache's, is in use ..."},
	{ExitUsage, "the command line was wrong; nothing was touched"},
	{ExitInterrupted, "interrupted"},
}

// An exitError carries an exit code. Without err it is silent: what there was to say has been said.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// ExitWith ends a command with a code of the table and no message. ExitWith(0) is nil.
func ExitWith(code int) error {
	if code == ExitFine {
		return nil
	}
	return exitError{code: code}
}

// Damaged is what a command ends with that has found damage, or shown what it could of a damaged device.
func Damaged(format string, a ...any) error {
	return exitError{ExitDamage, fmt.Errorf(format, a...)}
}

// A usageError is a command line that means nothing, or two things.
type usageError struct{ msg string }

func (e usageError) Error() string { return e.msg }

// Usagef makes a usageError.
func Usagef(format string, a ...any) error { return usageError{fmt.Sprintf(format, a...)} }

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	var exit exitError
	var usage usageError
	switch {
	case err == nil:
		return ExitFine
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage):
		return ExitUsage
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitCannot
}

// report says on stderr what went wrong, and the way out if there is one, and returns the exit code. writeErr is the
// first write to stdout that failed: output that nobody got is no success, but a reader that had enough is told
// nothing.
func report(stderr io.Writer, name string, err, writeErr error) int {
	if writeErr != nil && (err == nil || errors.Is(err, writeErr)) {
		var path *fs.PathError
		if errors.As(writeErr, &path) {
			writeErr = path.Err // "write /dev/stdout" says it again
		}
		err = sameForm(err, fmt.Errorf("standard output: %w", writeErr))
	}
	code := exitCode(err)
	if err != nil && err.Error() != "" && !errors.Is(err, syscall.EPIPE) {
		say(stderr, name, code, err)
	}
	return code
}

// reportPanic turns a bug of ours into ExitCannot: Go's own exit code 2 would tell fsck(8) to reboot the machine.
func reportPanic(stderr io.Writer, name string, p any) int {
	fmt.Fprintf(stderr, "%s: a bug in bctl: %v\n%s", name, p, debug.Stack())
	return ExitCannot
}

// output is standard output as commands see it: the first error stays, and report returns it.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	o.err = err
	return n, err
}
