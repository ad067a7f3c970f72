// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/internal/hint"
)

// fakeSystem is a machine with a disk 8:0 of two partitions, in files.
func fakeSystem(t *testing.T, files map[string]string, links map[string]string) system {
	t.Helper()
	root := t.TempDir()
	s := system{filepath.Join(root, "sys"), filepath.Join(root, "proc"), filepath.Join(root, "dev"), filepath.Join(root, "run")}
	files["sys/devices/sda/dev"] = "8:0\n"
	files["sys/devices/sda/sda1/dev"], files["sys/devices/sda/sda1/partition"] = "8:1\n", "1\n"
	links["sys/dev/block/8:0"], links["sys/dev/block/8:1"] = "../../devices/sda", "../../devices/sda/sda1"
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range links {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, file); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestHolders(t *testing.T) {
	for _, c := range []struct {
		name         string
		files, links map[string]string
		want         []Holder
	}{
		{name: "nobody"},
		{
			"cache",
			map[string]string{"sys/fs/bcache/bf34/stop": ""},
			map[string]string{"sys/devices/sda/sda1/bcache/set": "../../../../fs/bcache/bf34"},
			[]Holder{{"registered as a bcache cache device of set bf34", "echo 1 > /sys/fs/bcache/bf34/stop"}},
		},
		{
			"backing",
			map[string]string{"sys/devices/bcache0/bcache/stop": ""},
			map[string]string{"sys/devices/sda/sda1/bcache/dev": "../../../bcache0", "sys/devices/sda/sda1/holders/bcache0": "../../../bcache0"},
			[]Holder{{"registered as the bcache backing device of bcache0", "echo 1 > /sys/block/bcache0/bcache/stop"}},
		},
		{
			"backing without its bcacheN",
			map[string]string{"sys/devices/sda/sda1/bcache/state": ""},
			nil,
			[]Holder{{"registered with bcache", "echo 1 > /sys/class/block/sda1/bcache/stop"}},
		},
		{
			"stacked",
			map[string]string{
				"sys/devices/dm-0/dm/name": "safe\n", "sys/devices/dm-0/dm/uuid": "CRYPT-LUKS2-1-safe\n",
				"sys/devices/dm-1/dm/name": "vg-lv\n", "sys/devices/dm-1/dm/uuid": "LVM-xyz\n",
				"sys/devices/dm-2/dm/name": "map\n", "sys/devices/dm-2/dm/uuid": "\n",
				"sys/devices/md0/dev": "9:0\n", "sys/devices/drbd0/dev": "1:1\n",
			},
			map[string]string{
				"sys/devices/sda/sda1/holders/dm-0": "../../../dm-0", "sys/devices/sda/sda1/holders/dm-1": "../../../dm-1",
				"sys/devices/sda/sda1/holders/dm-2": "../../../dm-2", "sys/devices/sda/sda1/holders/md0": "../../../md0",
				"sys/devices/sda/sda1/holders/drbd0": "../../../drbd0",
			},
			[]Holder{
				{"opened by cryptsetup as safe", "cryptsetup close safe"},
				{"a physical volume under vg-lv", "lvchange -an /dev/mapper/vg-lv"},
				{"held by device mapper as map", "dmsetup remove map"},
				{"held by drbd0", "release drbd0"},
				{"part of the array md0", "mdadm --stop /dev/md0"},
			},
		},
		{
			"mounted",
			map[string]string{"proc/self/mountinfo": "22 1 254:0 / / rw - ext4 /dev/vda rw\n30 22 8:1 / /a\\040b rw,noatime shared:5 - xfs /dev/sda1 rw\nshort\n"},
			nil,
			[]Holder{{"mounted on /a b", "umount /a b"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.files == nil {
				c.files = map[string]string{}
			}
			if c.links == nil {
				c.links = map[string]string{}
			}
			s := fakeSystem(t, c.files, c.links)
			if got := s.holders(devnum{8, 1}); !slices.Equal(got, c.want) {
				t.Errorf("of the partition: %+v, want %+v", got, c.want)
			}
			for i := range c.want {
				c.want[i].What = "its partition sda1 is " + c.want[i].What
			}
			if got := s.holders(devnum{8, 0}); !slices.Equal(got, c.want) {
				t.Errorf("of the disk: %+v, want %+v", got, c.want)
			}
			if got := s.holders(devnum{99, 99}); len(got) > 0 {
				t.Errorf("of another: %+v", got)
			}
			if node := s.wholeDisk(devnum{8, 1}); node != "" {
				t.Errorf("whole disk %q has no node", node)
			}
		})
	}
}

// A path of a multipath device is told by what stands on it, and before that is there by udev.
func TestMultipath(t *testing.T) {
	held := fakeSystem(t, map[string]string{"sys/devices/dm-0/dm/name": "mpatha\n", "sys/devices/dm-0/dm/uuid": "mpath-36001\n"},
		map[string]string{"sys/devices/sda/holders/dm-0": "../../dm-0"})
	want := Holder{"a path of the multipath device mpatha", "name /dev/mapper/mpatha instead"}
	if got := held.holders(devnum{8, 0}); !slices.Equal(got, []Holder{want}) {
		t.Errorf("held: %+v", got)
	}
	want.What = "its disk sda is " + want.What
	if got := held.holders(devnum{8, 1}); !slices.Equal(got, []Holder{want}) {
		t.Errorf("its partition: %+v", got)
	}
	told := fakeSystem(t, map[string]string{"run/udev/data/b8:0": "S:disk/by-id/x\nE:DM_MULTIPATH_DEVICE_PATH=1\n"}, map[string]string{})
	for _, n := range []devnum{{8, 0}, {8, 1}} {
		if got := told.holders(n); len(got) != 1 || got[0].What != "one of several paths to its disk" {
			t.Errorf("%v: %+v", n, got)
		}
	}
	if got := fakeSystem(t, map[string]string{"run/udev/data/b8:0": "E:DM_MULTIPATH_DEVICE_PATH=0\n"}, map[string]string{}).holders(devnum{8, 0}); len(got) > 0 {
		t.Errorf("no path: %+v", got)
	}
}

func TestInUseText(t *testing.T) {
	err := inUse("/dev/sda", []Holder{{"swap space", "swapoff /dev/sda"}, {"mounted on /x", "umount /x"}})
	if got, want := err.Error()+", "+hint.Of(err), "/dev/sda: in use: swap space, mounted on /x, swapoff /dev/sda; umount /x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := inUse("x", nil); !strings.Contains(err.Error(), "claimed") {
		t.Error(err)
	}
}

// What bcache shows is found under any name: itself, a partition of it, and what stands on it.
func TestOnBcache(t *testing.T) {
	s := fakeSystem(t, map[string]string{
		"sys/devices/bcache0/dev": "252:0\n", "sys/devices/bcache0/bcache0p1/partition": "1\n", "sys/devices/dm-3/dev": "253:3\n", "sys/devices/md1/dev": "9:1\n",
	}, map[string]string{
		"sys/dev/block/252:0": "../../devices/bcache0", "sys/dev/block/252:1": "../../devices/bcache0/bcache0p1",
		"sys/dev/block/253:3": "../../devices/dm-3", "sys/devices/dm-3/slaves/bcache0p1": "../../bcache0/bcache0p1",
		"sys/dev/block/9:1": "../../devices/md1", "sys/devices/md1/slaves/dm-3": "../../dm-3", "sys/devices/md1/slaves/md1": "../../md1",
	})
	for n, want := range map[devnum]bool{{252, 0}: true, {252, 1}: true, {253, 3}: true, {9, 1}: true, {8, 0}: false, {8, 1}: false, {99, 9}: false} {
		if got := s.onBcache(s.dir(n), 0); got != want {
			t.Errorf("%v: %v", n, got)
		}
	}
	for path, want := range map[string]bool{"/dev/bcache0": true, "/dev/bcache/by-uuid/x": true, "/dev/../dev/bcache9p1": true, "bcache0": false, t.TempDir() + "/bcache0": false} {
		if err := OnBcache(path); errors.Is(err, ErrOnBcache) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What shares the lock of a disk is held until that is given up: udev does not look before.
func TestLetGoOfShared(t *testing.T) {
	first := &Device{}
	second := &Device{owner: first, udev: []string{"8:2"}}
	if second.letGo(); len(second.udev) > 0 || !slices.Equal(first.udev, []string{"8:2"}) {
		t.Errorf("%q, %q", second.udev, first.udev)
	}
	first.note = func(string) {}
	if (&Device{owner: first}).letGo(); first.note == nil {
		t.Error("what was never held took away whom to tell")
	}
}
