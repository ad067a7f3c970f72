// SPDX-License-Identifier: GPL-2.0-only

package udev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// machine is a place with a disk 8:0, its partition 8:1, and two processes.
func machine(t *testing.T) (Place, *daemon) {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	file("run/control", "")
	file("sys/dev/block/8:0/sda1/partition", "1\n")
	file("sys/dev/block/8:0/sda1/dev", "8:1\n")
	file("run/data/b8:0", "I:1\n")
	for pid, start := range map[int]int{100: 555, 200: 777} {
		file(fmt.Sprintf("proc/%d/stat", pid), fmt.Sprintf("%d (a b) c) S %s%d 0 0", pid, strings.Repeat("1 ", 18), start))
	}
	d := &daemon{run: filepath.Join(dir, "run")}
	return Place{
		Run: d.run, Sys: filepath.Join(dir, "sys"), Proc: filepath.Join(dir, "proc"),
		Control: d.control, Nudge: d.nudge, Patience: 100 * time.Millisecond,
	}, d
}

// A daemon is udev: told to, it reads its rules again, but where it is deaf.
type daemon struct {
	run   string
	deaf  bool
	busy  bool // with other devices
	rules string
	told  []string
}

func (d *daemon) read() {
	d.rules = ""
	names, _ := filepath.Glob(filepath.Join(d.run, "rules.d", "*.rules"))
	for _, name := range names {
		b, _ := os.ReadFile(name)
		d.rules += string(b)
	}
}

func (d *daemon) control(args ...string) error {
	d.told = append(d.told, strings.Join(args, " "))
	if args[0] == "settle" && d.busy {
		return errors.New("timed out")
	}
	if slices.Contains(args, "--reload") && !d.deaf {
		d.read()
	}
	return nil
}

// nudge is an event, of /dev/null with what the rules say of it.
func (d *daemon) nudge(uevent, uuid string) error {
	number, kind := filepath.Base(filepath.Dir(uevent)), filepath.Base(filepath.Dir(filepath.Dir(uevent)))
	d.told = append(d.told, "event "+kind+" "+number)
	if kind == "block" && d.busy {
		return nil
	}
	text := "I:1\n"
	for _, m := range regexp.MustCompile(`ENV\{(BCTL_HOLDS_\w+)\}="([-0-9a-f]{36})"`).FindAllStringSubmatch(d.rules, -1) {
		text += "E:" + m[1] + "=" + m[2] + "\n"
	}
	if major, minor, _ := strings.Cut(number, ":"); strings.Contains(d.rules, fmt.Sprintf(`ENV{MAJOR}=="%s", ENV{MINOR}=="%s", ENV{BCTL_SEEN}="$env{SYNTH_UUID}"`, major, minor)) {
		text += "E:BCTL_SEEN=" + uuid + "\n"
	}
	name := filepath.Join(d.run, "data", kind[:1]+number)
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name+".new", []byte(text), 0o644), os.Rename(name+".new", name))
}

// What udev was told and did not do is no hold: not while it answers, and not by what it kept of an earlier one. What
// stood stays, and the rule of a process, which does not wait, is there when udev comes to it.
func TestDeaf(t *testing.T) {
	p, d := machine(t)
	if _, taken, err := p.Take("9:0", "/dev/x", 0); err != nil || !taken {
		t.Fatal(err)
	}
	d.deaf = true
	for _, c := range []struct {
		number string
		pid    int
		stays  bool
	}{{"8:0", 0, false}, {"8:0", 100, true}, {"9:0", 0, true}} {
		h, taken, err := p.Take(c.number, "/dev/x", c.pid)
		if !errors.Is(err, ErrDeaf) || taken != c.stays || (h != nil) != c.stays || (p.Find(c.number) != nil) != c.stays {
			t.Errorf("%s of %d: %+v %v %v", c.number, c.pid, h, taken, err)
		}
	}
}

func TestHold(t *testing.T) {
	p, d := machine(t)
	h, taken, err := p.Take("8:0", "/dev/sd a\"", 100)
	if err != nil || !taken || h.PID != 100 {
		t.Fatalf("%+v %v %v", h, taken, err)
	}
	if list := p.List(); len(list) != 1 || list[0].Stale || list[0].Device != "/dev/sd a\"" || list[0].Number != "8:0" {
		t.Errorf("%+v", list)
	}
	set, unset := p.files("8:0")
	if filepath.Base(set) >= "69-bcache.rules" || filepath.Base(unset) <= "69-bcache.rules" {
		t.Errorf("%s and %s do not stand around bcache-tools' rule", set, unset)
	}
	for _, name := range []string{set, unset} {
		b, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(b), `ENV{MINOR}=="0"`) || !strings.Contains(string(b), `ENV{MINOR}=="1"`) {
			t.Errorf("%s: %v, %s", name, err, b)
		}
	}
	if h, taken, err := p.Take("8:0", "/dev/sda", 200); err != nil || taken || h.PID != 100 {
		t.Errorf("another's: %+v %v %v", h, taken, err)
	}
	if err := os.WriteFile(filepath.Join(p.Proc, "100", "stat"), []byte("100 (x) S "+strings.Repeat("1 ", 18)+"556 0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if h := p.Find("8:0"); h == nil || !h.Stale || h.PID != 100 { // another process has its number now
		t.Errorf("%+v", h)
	}
	if h, taken, err := p.Take("8:0", "/dev/sda", 200); err != nil || !taken || h.PID != 200 {
		t.Errorf("a stale one: %+v %v %v", h, taken, err)
	}
	if err := p.Release("8:0"); err != nil || p.Find("8:0") != nil {
		t.Error(err)
	}
	want := []string{
		"control --reload", "event char 1:3", "control --reload", "event char 1:3", "event block 8:0", "event block 8:0",
		"settle --timeout=30", "control --reload", "event char 1:3",
	}
	if !slices.Equal(d.told, want) {
		t.Errorf("%q", d.told)
	}
	if left, _ := os.ReadDir(filepath.Dir(set)); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

// A device without partitions is looked at, and nothing else waited for; where udev does not come to it, it is held on.
func TestRelease(t *testing.T) {
	p, d := machine(t)
	for _, busy := range []bool{false, true} {
		if _, taken, err := p.Take("9:0", "/dev/x", 0); err != nil || !taken {
			t.Fatal(err)
		}
		d.told, d.busy = nil, busy
		err := p.Release("9:0")
		if asked := slices.Contains(d.told, "settle --timeout=30"); asked != busy || (err != nil) != busy || (p.Find("9:0") != nil) != busy {
			t.Errorf("busy %v: %v, told %q, %+v", busy, err, d.told, p.Find("9:0"))
		}
	}
}

// A hold by hand is nobody's to let go of but by hand; where udev cannot be told, nothing is held.
func TestHoldByHand(t *testing.T) {
	p, _ := machine(t)
	if _, taken, err := p.Take("8:1", "/dev/sda1", 0); err != nil || !taken {
		t.Fatal(err)
	}
	if h, taken, err := p.Take("8:1", "/dev/sda1", 100); err != nil || taken || h.PID != 0 || h.Stale {
		t.Errorf("%+v %v %v", h, taken, err)
	}
	p.Control = func(...string) error { return ErrNoUdevadm }
	if h, taken, err := p.Take("8:0", "/dev/sda", 100); !errors.Is(err, ErrNoUdevadm) || taken || h != nil || p.Find("8:0") != nil {
		t.Errorf("%+v %v %v", h, taken, err)
	}
	set, _ := p.files("9:9")
	if err := os.WriteFile(set, []byte("# somebody else's\n"), 0o644); err != nil || p.Find("9:9") != nil || len(p.List()) != 1 {
		t.Errorf("%v, %+v", err, p.List())
	}
	if os.Remove(filepath.Join(p.Run, "control")); p.Running() {
		t.Error("no udev runs")
	}
}
