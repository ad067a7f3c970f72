// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
)

// Where nobody types, or nothing can be drawn, it says what else there is.
func TestExploreNeedsTerminal(t *testing.T) {
	img := imgtest.Open(t, "empty-registered").Cache
	apptest.WantLine(t, "a pipe", bctl("explore", img), app.ExitUsage, "terminal", "bctl show-buckets", "bctl report")
	apptest.WantLine(t, "json", bctl("explore", img, "--format", "csv"), app.ExitUsage, "--format csv", "bctl show-buckets")
}

// A tty is a pseudo-terminal with a program on it.
type tty struct {
	t    *testing.T
	main *os.File
	cmd  *exec.Cmd

	mu   sync.Mutex
	said strings.Builder
	over chan struct{}
}

// newTerminal makes a terminal of 80x24, and keeps what it gets. The test closes its other end.
func newTerminal(t *testing.T) (y *tty, end *os.File) {
	t.Helper()
	main, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { main.Close() })
	n, err := unix.IoctlGetInt(int(main.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(main.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Skip(err)
	}
	if end, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Skip(err)
	}
	y = &tty{t: t, main: main, over: make(chan struct{})}
	y.resize(80, 24)
	go func() {
		defer close(y.over)
		b := make([]byte, 1<<16)
		for {
			n, err := main.Read(b)
			y.mu.Lock()
			y.said.Write(b[:n])
			y.mu.Unlock()
			if err != nil { // the kernel says EIO where nobody has the other end open any more
				return
			}
		}
	}()
	return y, end
}

// onTerminal starts bctl on a terminal of its own.
func onTerminal(t *testing.T, env []string, args ...string) *tty {
	t.Helper()
	y, end := newTerminal(t)
	defer end.Close()
	y.cmd = process(t, "bctl", args...)
	y.cmd.Env = append(append(y.cmd.Env, "TERM=xterm-256color"), env...)
	y.cmd.Stdin, y.cmd.Stdout, y.cmd.Stderr = end, end, end
	y.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := y.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = y.cmd.Process.Kill() })
	return y
}

func (y *tty) resize(columns, lines int) {
	if err := unix.IoctlSetWinsize(int(y.main.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(lines), Col: uint16(columns)}); err != nil {
		y.t.Fatal(err)
	}
}

// all is what was drawn until now.
func (y *tty) all() string { y.mu.Lock(); defer y.mu.Unlock(); return y.said.String() }

// press types, and waits until what is drawn after that says all words.
func (y *tty) press(keys string, words ...string) {
	y.t.Helper()
	from := len(y.all())
	if _, err := y.main.WriteString(keys); err != nil {
		y.t.Fatal(err)
	}
	y.await(from, words...)
}

func (y *tty) await(from int, words ...string) {
	y.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		drawn, missing := y.all()[from:], ""
		for _, w := range words {
			if !strings.Contains(drawn, w) {
				missing = w
			}
		}
		switch {
		case missing == "":
			return
		case time.Now().After(end):
			y.t.Fatalf("no %q in %q", missing, drawn)
		}
	}
}

// ends waits for the end, and checks the code, and that the terminal is as it was.
func (y *tty) ends(code int) {
	y.t.Helper()
	err := y.cmd.Wait()
	<-y.over
	if got := y.cmd.ProcessState.ExitCode(); got != code {
		y.t.Errorf("%v, exit %d, want %d: %q", err, got, code, y.all())
	}
	for _, restored := range []string{"\x1b[?1049l", "\x1b[?25h"} {
		if !strings.Contains(y.all(), restored) {
			y.t.Errorf("the terminal did not get %q", restored)
		}
	}
}

// A whole walk on a terminal: the views, into a finding and back, another size, and the end with the exit code of a
// damaged cache. Nothing was written.
func TestExplore(t *testing.T) {
	paths := planted(t, "writeback-crash", func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+5000, 0) })
	before := imgtest.SumFile(t, paths[0])
	y := onTerminal(t, []string{"NO_COLOR="}, append([]string{"explore"}, paths...)...)
	y.await(0, "bctl explore", "damaged", "back0.img", "[1 sets]", "\x1b[31")
	y.press("2", "[2 buckets]", "superblock", "unknown")
	y.press("/892\r", "892", "prio")
	y.press("\t", "[3 nodes]")
	y.press("\r", "node in bucket 762", "0:16 len 16")
	y.press("5", "PR01", "bad checksum")
	y.press("\r", "bctl fsck -p")
	from := len(y.all())
	y.resize(120, 40)
	y.await(from, "bctl explore")
	from = len(y.all())
	if err := y.cmd.Process.Signal(syscall.SIGUSR1); err != nil { // what it would tell stands on the screen
		t.Fatal(err)
	}
	y.press("?", "shift+tab")
	if drawn := y.all()[from:]; strings.Contains(drawn, "bctl: ") {
		t.Errorf("SIGUSR1 wrote over the screen: %q", drawn)
	}
	y.press("xq", "is damaged")
	y.ends(app.ExitDamage)
	if imgtest.SumFile(t, paths[0]) != before {
		t.Error("it wrote to the device")
	}
}

// ^C and a signal interrupt, and give the terminal back; NO_COLOR has no colours.
func TestExploreInterrupted(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash").Cache
	y := onTerminal(t, []string{"NO_COLOR=1"}, "explore", img)
	y.await(0, "no damage", "MISSING")
	y.press("\x03", "interrupted")
	y.ends(app.ExitInterrupted)
	if strings.Contains(y.all(), "\x1b[3") {
		t.Errorf("colours: %q", y.all())
	}
	y = onTerminal(t, nil, "explore", img)
	y.await(0, "no damage")
	if err := y.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	y.ends(app.ExitInterrupted)
}
