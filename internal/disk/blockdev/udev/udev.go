// SPDX-License-Identifier: GPL-2.0-only

// Package udev keeps udev from handing a device to the kernel while it is worked on. A hold is two files of rules below
// /run/udev/rules.d, which are gone with the next boot:
//
//	68-bctl-hold-8-1.rules   device 8:1 and its partitions: DM_UDEV_DISABLE_OTHER_RULES_FLAG=1
//	69-bcache.rules          of bcache-tools: leaves where the flag is 1
//	69-bctl-hold-8-1.rules   takes the flag away again: all later rules see the device as ever
//
// The first line of the first file says who holds it. Where no udev runs nothing needs to be held. A hold stands when udev
// has said so: that it was told to read its rules again does not mean that it did (sure.go).
package udev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Place is where udev and the kernel tell about themselves, and how udev is told something.
type Place struct {
	Run, Sys, Proc string
	Control        func(args ...string) error      // udevadm
	Nudge          func(uevent, uuid string) error // makes udev look at a device, by the kernel's file of that name
	Patience       time.Duration                   // with udev, until it has looked
}

// Live is this machine's.
var Live = Place{
	Run: "/run/udev", Sys: "/sys", Proc: "/proc",
	Control: udevadm, Nudge: change, Patience: 60 * time.Second,
}

// ErrNoUdevadm says that udev runs, but there is no program to tell it anything.
var ErrNoUdevadm = errors.New("udevadm is not installed")

func udevadm(args ...string) error {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, "udevadm")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		p, err := os.StartProcess(path, append([]string{"udevadm"}, args...), &os.ProcAttr{Files: []*os.File{null, null, null}})
		if err != nil {
			return err
		}
		state, err := p.Wait()
		if err == nil && !state.Success() {
			err = fmt.Errorf("udevadm %s: %v", args[0], state)
		}
		return err
	}
	return ErrNoUdevadm
}

// Running reports whether udev runs.
func (p Place) Running() bool {
	_, err := os.Stat(filepath.Join(p.Run, "control"))
	return err == nil
}

// A Hold is one that stands. A PID of 0 is by hand.
type Hold struct {
	Number string `json:"number"` // major:minor
	Device string `json:"device"` // as it was named
	PID    int    `json:"pid"`
	Stale  bool   `json:"stale"` // its process is gone

	start string // of the process, to tell it from another with its number
}

func (p Place) files(number string) (set, unset string) {
	tail := "bctl-hold-" + strings.ReplaceAll(number, ":", "-") + ".rules"
	dir := filepath.Join(p.Run, "rules.d")
	return filepath.Join(dir, "68-"+tail), filepath.Join(dir, "69-"+tail)
}

// Find is the hold of a device, nil where there is none.
func (p Place) Find(number string) *Hold {
	set, _ := p.files(number)
	return p.read(set)
}

// List is all holds.
func (p Place) List() (list []Hold) {
	names, _ := filepath.Glob(filepath.Join(p.Run, "rules.d", "68-bctl-hold-*.rules"))
	slices.Sort(names)
	for _, name := range names {
		if h := p.read(name); h != nil {
			list = append(list, *h)
		}
	}
	return list
}

const header = "# bctl hold"

func (p Place) read(name string) *Hold {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	h := &Hold{}
	line, _, _ := strings.Cut(string(b), "\n")
	if _, err := fmt.Sscanf(line, header+" %s pid %d start %s of %q", &h.Number, &h.PID, &h.start, &h.Device); err != nil {
		return nil // another's file
	}
	h.Stale = h.PID != 0 && p.started(h.PID) != h.start
	return h
}

// started is when a process was started, in the kernel's ticks; "-" for none.
func (p Place) started(pid int) string {
	b, err := os.ReadFile(filepath.Join(p.Proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return "-"
	}
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	if words := strings.Fields(rest); len(words) > 19 {
		return words[19]
	}
	return "-"
}

// Take holds the device of a number, and its partitions. pid is the process that will let go of it, 0 for nobody. What
// stood before, a hold by hand or of a living process, stays, and is returned with false; by hand it is taken over. What
// udev is in the middle of is not held any more: who has the disk's lock meanwhile knows that there is no such thing.
// Errors: the system's; ErrNoUdevadm; ErrDeaf. Nothing is held then, as far as anybody knows: what stood by hand, or was
// taken by a process, which goes on all the same, stays for when udev comes to it.
func (p Place) Take(number, device string, pid int) (h *Hold, taken bool, err error) {
	before := p.Find(number)
	if before != nil && !before.Stale && pid != 0 {
		return before, false, nil
	}
	h = &Hold{Number: number, Device: device, PID: pid, start: "-"}
	if pid != 0 {
		h.start = p.started(pid)
	}
	set, unset := p.files(number)
	first := fmt.Sprintf("%s %s pid %d start %s of %q\n", header, number, pid, h.start, device)
	var sets, unsets strings.Builder
	for _, n := range p.withPartitions(number) {
		major, minor, _ := strings.Cut(n, ":")
		match := fmt.Sprintf("SUBSYSTEM==\"block\", ENV{MAJOR}==\"%s\", ENV{MINOR}==\"%s\", ", major, minor)
		sets.WriteString(match + "ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}!=\"1\", ENV{BCTL_HELD}=\"1\", ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}=\"1\"\n" +
			match + "ENV{" + seen + "}=\"$env{SYNTH_UUID}\"\n")
		unsets.WriteString(match + "ENV{BCTL_HELD}==\"1\", ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}=\"\"\n")
	}
	mark := newMark(number)
	if err = os.MkdirAll(filepath.Dir(set), 0o755); err == nil {
		err = errors.Join(put(unset, first+unsets.String()), put(set, first+sets.String()+mark.rule()))
	}
	if err == nil {
		err = p.Control("control", "--reload")
	}
	stays := err == nil && (pid != 0 || before != nil && !before.Stale)
	if pid != 0 {
		p.Patience = min(p.Patience, 10*time.Second)
	}
	if err == nil {
		err = p.confirm(mark)
	}
	if err != nil && !stays {
		os.Remove(set)
		os.Remove(unset)
		_ = p.Control("control", "--reload")
		return nil, false, err
	}
	return h, true, err
}

// put writes a file that udev, which may read it at any time, finds whole or not at all.
func put(name, text string) error {
	beside := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, name)
}

// withPartitions is a device's number and those of its partitions.
func (p Place) withPartitions(number string) []string {
	list := []string{number}
	parts, _ := filepath.Glob(filepath.Join(p.Sys, "dev", "block", number, "*", "partition"))
	for _, part := range parts {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(part), "dev")); err == nil {
			list = append(list, strings.TrimSpace(string(b)))
		}
	}
	return list
}

// Release lets go, once udev is done with what it has seen of the device: of its being closed, too. Errors: the system's;
// where udev is not done in time the device is held on.
func (p Place) Release(number string) error {
	if err := p.finished(number); err != nil {
		return fmt.Errorf("%w: udev is busy, and the device is held on", err)
	}
	return p.Drop(number)
}

// Drop lets go at once, of a device that somebody still has open. Errors: the system's.
func (p Place) Drop(number string) error {
	set, unset := p.files(number)
	err := errors.Join(os.Remove(set), os.Remove(unset))
	err = errors.Join(err, p.Control("control", "--reload"))
	_ = p.Nudge(p.uevent("char", markedDevice), newUUID()) // forgets the mark
	return err
}
