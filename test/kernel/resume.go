// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Booting takes an emulated processor longer than most scripts: each kernel does it once, up to where it would look at its
// disks, and is saved. Every other machine of a test run goes on from there, with disks of its own.

// savedDisks is how many disks a machine has that is saved: those that go on from there have as many.
const savedDisks = 42

// goOn is what a resumed machine's console gets. It waits for a line, and the first letter may be lost.
const goOn = "\ngo on\ngo on\n"

// A saved is a kernel that has booted.
type saved struct {
	once      sync.Once
	initramfs string
	state     string
	err       error
}

var (
	savedKernels = map[string]*saved{} // by series
	savingKernel sync.Mutex
)

// source is where QEMU reads the state from.
func (s *saved) source() string { return fmt.Sprintf("exec:cat '%s'", s.state) }

// resumable reports whether a boot can be one that is resumed. A log of writes begins with a boot; and what looks at all
// disks of a machine, as udev does, is not to meet the unused ones.
func (b Boot) resumable() bool {
	return b.More == nil && len(b.Disks)+2 <= savedDisks && !slices.ContainsFunc(b.Disks, func(d Disk) bool { return d.Log != "" })
}

// booted is a kernel that has booted; the first that asks for it waits for that. nil where it cannot be saved.
func booted(t testing.TB, k Kernel) *saved {
	t.Helper()
	savingKernel.Lock()
	s := savedKernels[k.Series]
	if s == nil {
		s = new(saved)
		savedKernels[k.Series] = s
	}
	savingKernel.Unlock()
	s.once.Do(func() {
		start := time.Now()
		s.err = s.save(t, k)
		t.Logf("linux %s: booted once and for all in %v", k.Release, time.Since(start).Round(100*time.Millisecond))
	})
	if s.err != nil {
		t.Log(s.err)
		return nil
	}
	return s
}

// save boots a kernel without a script, and saves it when it says that it waits for one.
func (s *saved) save(t testing.TB, k Kernel) error {
	t.Helper()
	dir := filepath.Join(binDir, "saved-"+k.Series)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	facts, console := filepath.Join(dir, "facts"), filepath.Join(dir, "console")
	s.initramfs, s.state = filepath.Join(dir, "initramfs"), filepath.Join(dir, "state")
	if err := writeInitramfs(t, s.initramfs, k, nil); err != nil {
		return err
	}
	args := append(machine(k, s.initramfs, facts), "-serial", "file:"+console, "-monitor", "stdio")
	qemu := exec.Command(toolQEMU, append(args, unused(0)...)...)
	monitor, err := qemu.StdinPipe()
	if err != nil {
		return err
	}
	var out strings.Builder
	qemu.Stdout, qemu.Stderr = &out, &out
	if err := qemu.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- qemu.Wait() }()
	for end := time.Now().Add(5 * time.Minute); !strings.Contains(readText(facts), "@ready\n"); {
		select {
		case err := <-ended:
			return errors.Join(fmt.Errorf("linux %s: QEMU ends before it has booted\n%s", k.Series, out.String()), err)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			err := errors.Join(qemu.Process.Kill(), <-ended)
			return errors.Join(fmt.Errorf("linux %s does not boot\n%s\n%s", k.Series, out.String(), tail(readText(console))), err)
		}
	}
	_, err = io.WriteString(monitor, fmt.Sprintf("migrate_set_parameter max-bandwidth 100G\nmigrate \"exec:cat >'%s'\"\nquit\n", s.state))
	err = errors.Join(err, <-ended)
	if info, gone := os.Stat(s.state); err != nil || gone != nil || info.Size() < memoryMB<<10 {
		return fmt.Errorf("linux %s cannot be saved: %w\n%s", k.Series, errors.Join(err, gone), out.String())
	}
	return nil
}

// unused are QEMU's arguments for the disks of a saved machine that nobody uses, from a number on.
func unused(from int) (args []string) {
	for i := from; i < savedDisks; i++ {
		args = append(args, "-blockdev", fmt.Sprintf("driver=null-co,size=512,read-zeroes=on,node-name=disk%d", i), "-device", slotOf(i))
	}
	return args
}
