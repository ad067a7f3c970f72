// SPDX-License-Identifier: GPL-2.0-only

package disk

import (
	"os"
	"path/filepath"
	"testing"

	"bctl/internal/disk/blockdev"
)

type used struct {
	Device
	by []blockdev.Holder
}

func (u used) Path() string             { return "/dev/x" }
func (u used) InUse() []blockdev.Holder { return u.by }

func TestNote(t *testing.T) {
	if got := Note(used{}); got != "" {
		t.Errorf("%q of a device that nobody uses", got)
	}
	got := Note(used{by: []blockdev.Holder{{What: "mounted on /a", Release: "umount /a"}, {What: "swap space"}}})
	if want := "/dev/x is in use, mounted on /a, swap space: it may change while it is read"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// One device is one, by whatever name.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	a, b, link := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "link")
	for _, name := range []string{a, b} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	var devs []Device
	for _, name := range []string{a, b, link} {
		d, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		devs = append(devs, d)
	}
	if Same(devs[0], devs[1]) || !Same(devs[0], devs[2]) || !Same(devs[2], devs[0]) || Same(devs[0], used{}) {
		t.Error("what is the same is not told from what is not")
	}
	if _, err := Open(dir); err == nil {
		t.Error("a directory is a device")
	}
}
