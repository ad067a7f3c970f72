// SPDX-License-Identifier: GPL-2.0-only

package udev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machine is a place with a disk 8:0, its partition 8:1, and two processes.
func machine(t *testing.T) (Place, *[]string) {
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
	for pid, start := range map[int]int{100: 555, 200: 777} {
		file(fmt.Sprintf("proc/%d/stat", pid), fmt.Sprintf("%d (a b) c) S %s%d 0 0", pid, strings.Repeat("1 ", 18), start))
	}
	told := &[]string{}
	return Place{filepath.Join(dir, "run"), filepath.Join(dir, "sys"), filepath.Join(dir, "proc"), func(args ...string) error {
		*told = append(*told, strings.Join(args, " "))
		return nil
	}}, told
}

func TestHold(t *testing.T) {
	p, told := machine(t)
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
	if want := []string{"control --reload", "control --reload", "settle --timeout=30", "control --reload"}; !slices.Equal(*told, want) {
		t.Errorf("%q", *told)
	}
	if left, _ := os.ReadDir(filepath.Dir(set)); len(left) != 0 {
		t.Errorf("%v is left", left)
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
