// SPDX-License-Identifier: GPL-2.0-only

package udev

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrDeaf says that udev was told to read its rules again, and shows no sign that it did.
var ErrDeaf = errors.New("udev does not take new rules (udevadm settle waits for what it is busy with)")

// change tells the kernel that a device has changed, and udev by whose word: SYNTH_UUID.
func change(uevent, uuid string) error { return os.WriteFile(uevent, []byte("change "+uuid), 0) }

func newUUID() string {
	a, b := rand.Uint64(), rand.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}

func (p Place) uevent(kind, number string) string {
	return filepath.Join(p.Sys, "dev", kind, number, "uevent")
}

// data is where udev keeps what it knows of a device; it is written anew whenever udev has looked.
func (p Place) data(kind, number string) string {
	return filepath.Join(p.Run, "data", kind[:1]+number)
}

// markedDevice is /dev/null: no rule does anything with it that was not done before.
const markedDevice = "1:3"

// A mark is a property that a rule gives to /dev/null: what udev keeps of that says whether it knows the rule.
type mark struct{ name, value string }

func newMark(number string) mark {
	return mark{"BCTL_HOLDS_" + strings.ReplaceAll(number, ":", "_"), newUUID()}
}

func (m mark) rule() string {
	major, minor, _ := strings.Cut(markedDevice, ":")
	return fmt.Sprintf("SUBSYSTEM==\"mem\", ENV{MAJOR}==\"%s\", ENV{MINOR}==\"%s\", ENV{%s}=\"%s\"\n", major, minor, m.name, m.value)
}

// confirm waits until udev has used the rules that a mark is in. Errors: ErrDeaf, and the system's.
func (p Place) confirm(m mark) error {
	if err := p.Nudge(p.uevent("char", markedDevice), newUUID()); err != nil {
		return err
	}
	if !p.shows(p.data("char", markedDevice), m) {
		return ErrDeaf
	}
	return nil
}

// seen is the property of a held device that says by whose word udev looked at it last.
const seen = "BCTL_SEEN"

// finished waits until udev has looked at a held device that may have been closed a moment ago, and is done with that.
// From version 253 on it has a process of its own tell the kernel of the closing, for which udevadm settle does not wait;
// ours is told later, and udev looks in turn: what it notes before it runs anything stands there when the next look
// begins. Only where it does not show, or may look at partitions too, is all waited for that it has to do.
func (p Place) finished(number string) error {
	all := len(p.withPartitions(number)) > 1
	if set, _ := p.files(number); !contains(set, seen) {
		all = true // the hold of an earlier bctl
	} else {
		p.Patience = min(p.Patience, 20*time.Second) // settle has some too
		for range 2 {
			m := mark{seen, newUUID()}
			err := p.Nudge(p.uevent("block", number), m.value)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
				break // it is gone
			}
			if err != nil || !p.shows(p.data("block", number), m) {
				all = true
				break
			}
		}
	}
	if !all {
		return nil
	}
	return p.Control("settle", "--timeout=30")
}

func contains(name, text string) bool {
	b, err := os.ReadFile(name)
	return err == nil && strings.Contains(string(b), text)
}

// shows waits until udev keeps a property of a device, for as long as there is patience.
func (p Place) shows(name string, m mark) bool {
	for deadline := time.Now().Add(p.Patience); ; time.Sleep(2 * time.Millisecond) {
		if contains(name, "E:"+m.name+"="+m.value+"\n") {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}
