// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bctl/internal/hint"
)

// A Holder is who has a device, and what makes them let go of it.
type Holder struct{ What, Release string }

// inUse is the refusal of a claimed device.
func inUse(path string, hs []Holder) error {
	if len(hs) == 0 {
		return fmt.Errorf("%s: %w: another program or the kernel has claimed it", path, ErrInUse)
	}
	var what, release []string
	for _, h := range hs {
		what, release = append(what, h.What), append(release, h.Release)
	}
	return hint.Add(fmt.Errorf("%s: %w: %s", path, ErrInUse, strings.Join(what, ", ")), "%s", strings.Join(release, "; "))
}

// A system is where the kernel tells about itself. The tests have their own.
type system struct{ sys, proc, dev, run string }

var live = system{"/sys", "/proc", "/dev", "/run"}

// dir is the sysfs directory of a device, without links.
func (s system) dir(n devnum) string {
	dir, err := filepath.EvalSymlinks(filepath.Join(s.sys, "dev", "block", n.String()))
	if err != nil {
		return ""
	}
	return dir
}

// wholeDisk is the node of the disk a partition is on, or "" for what is a disk or has no node.
func (s system) wholeDisk(n devnum) string {
	dir := s.dir(n)
	if dir == "" {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err != nil {
		return ""
	}
	node := filepath.Join(s.dev, filepath.Base(filepath.Dir(dir)))
	if info, err := os.Stat(node); err != nil || !isBlock(info.Mode()) {
		return ""
	}
	return node
}

// holders looks everywhere the kernel shows a claim on the device, or on a partition of it.
func (s system) holders(n devnum) []Holder {
	dir := s.dir(n)
	hs := s.claims(dir, n)
	if _, err := os.Stat(filepath.Join(dir, "partition")); dir != "" && err == nil {
		for _, h := range s.stacked(filepath.Dir(dir)) {
			h.What = "its disk " + filepath.Base(filepath.Dir(dir)) + " is " + h.What
			hs = append(hs, h)
		}
	}
	hs = append(hs, s.multipath(dir, n)...)
	parts, _ := filepath.Glob(filepath.Join(dir, "*", "partition"))
	for _, p := range parts {
		dir := filepath.Dir(p)
		for _, h := range s.claims(dir, readNumber(filepath.Join(dir, "dev"))) {
			h.What = "its partition " + filepath.Base(dir) + " is " + h.What
			hs = append(hs, h)
		}
	}
	return hs
}

func (s system) claims(dir string, n devnum) (hs []Holder) {
	hs = append(hs, s.bcache(dir)...)
	hs = append(hs, s.stacked(dir)...)
	hs = append(hs, s.mounts(n)...)
	return append(hs, s.swaps(n)...)
}

// bcache is a registered cache (bcache/set leads to the set) or backing device (bcache/dev to its bcacheN).
func (s system) bcache(dir string) []Holder {
	if set, err := filepath.EvalSymlinks(filepath.Join(dir, "bcache", "set")); err == nil {
		id := filepath.Base(set)
		return []Holder{{"registered as a bcache cache device of set " + id, "echo 1 > " + filepath.Join("/sys/fs/bcache", id, "stop")}}
	}
	if dev, err := filepath.EvalSymlinks(filepath.Join(dir, "bcache", "dev")); err == nil {
		name := filepath.Base(dev)
		return []Holder{{"registered as the bcache backing device of " + name, "echo 1 > " + filepath.Join("/sys/block", name, "bcache", "stop")}}
	}
	if _, err := os.Stat(filepath.Join(dir, "bcache")); err == nil {
		return []Holder{{"registered with bcache", "echo 1 > " + filepath.Join("/sys/class/block", filepath.Base(dir), "bcache", "stop")}}
	}
	return nil
}

// kernels is what bcache alone has of it, on the device or on a partition of it.
func (s system) kernels(n devnum) []Holder {
	dir := s.dir(n)
	hs := s.bcache(dir)
	parts, _ := filepath.Glob(filepath.Join(dir, "*", "partition"))
	for _, p := range parts {
		for _, h := range s.bcache(filepath.Dir(p)) {
			h.What = "its partition " + filepath.Base(filepath.Dir(p)) + " is " + h.What
			hs = append(hs, h)
		}
	}
	return hs
}

// stacked is what stands on the device: device mapper, md. A bcacheN is told of by bcache.
func (s system) stacked(dir string) (hs []Holder) {
	links, _ := filepath.Glob(filepath.Join(dir, "holders", "*"))
	for _, link := range links {
		name := filepath.Base(link)
		switch {
		case strings.HasPrefix(name, "bcache"):
		case strings.HasPrefix(name, "md"):
			hs = append(hs, Holder{"part of the array " + name, "mdadm --stop /dev/" + name})
		case strings.HasPrefix(name, "dm-"):
			hs = append(hs, mapped(link))
		default:
			hs = append(hs, Holder{"held by " + name, "release " + name})
		}
	}
	return hs
}

// mapped names a device mapper's device and the tool that made it, by its uuid's prefix.
func mapped(dir string) Holder {
	name, id := readLine(filepath.Join(dir, "dm", "name")), readLine(filepath.Join(dir, "dm", "uuid"))
	switch {
	case strings.HasPrefix(id, "CRYPT-"):
		return Holder{"opened by cryptsetup as " + name, "cryptsetup close " + name}
	case strings.HasPrefix(id, "mpath-"):
		return Holder{"a path of the multipath device " + name, "name /dev/mapper/" + name + " instead"}
	case strings.HasPrefix(id, "LVM-"):
		return Holder{"a physical volume under " + name, "lvchange -an /dev/mapper/" + name}
	default:
		return Holder{"held by device mapper as " + name, "dmsetup remove " + name}
	}
}

// multipath is what udev knows of a disk, or of the disk of a partition, that is one path of several: multipathd may not
// have made its device yet, as in an initramfs. Whoever wrote to one path would write behind the back of the others.
func (s system) multipath(dir string, n devnum) []Holder {
	disks := []devnum{n}
	if _, err := os.Stat(filepath.Join(dir, "partition")); dir != "" && err == nil {
		disks = append(disks, readNumber(filepath.Join(filepath.Dir(dir), "dev")))
	}
	if len(s.stacked(dir)) > 0 {
		return nil // the device is there, and tells it
	}
	for _, d := range disks {
		for _, line := range readLines(filepath.Join(s.run, "udev", "data", "b"+d.String())) {
			if line == "E:DM_MULTIPATH_DEVICE_PATH=1" || line == "E:ID_FS_TYPE=mpath_member" {
				return []Holder{{"one of several paths to its disk", "multipath -r makes the multipath device; name that instead"}}
			}
		}
	}
	return nil
}

// mounts reads mountinfo: the third field is the device's number, the fifth where it is mounted, and what follows
// the lone dash is the type and the source. btrfs has a number of its own, so the source counts too.
func (s system) mounts(n devnum) (hs []Holder) {
	for _, line := range readLines(filepath.Join(s.proc, "self", "mountinfo")) {
		left, right, _ := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 5 || len(r) < 2 || l[2] != n.String() && !isNode(r[1], n) {
			continue
		}
		at := unescape(l[4])
		hs = append(hs, Holder{"mounted on " + at, "umount " + at})
	}
	return hs
}

func (s system) swaps(n devnum) (hs []Holder) {
	for _, line := range readLines(filepath.Join(s.proc, "swaps")) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "partition" && isNode(unescape(f[0]), n) {
			hs = append(hs, Holder{"swap space", "swapoff " + unescape(f[0])})
		}
	}
	return hs
}

// loops is the loop devices an image file stands under: whoever uses those does not expect it to change.
func (s system) loops(info fs.FileInfo) (hs []Holder) {
	files, _ := filepath.Glob(filepath.Join(s.sys, "block", "loop*", "loop", "backing_file"))
	for _, file := range files {
		if at, err := os.Stat(readLine(file)); err == nil && os.SameFile(at, info) {
			node := "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(file)))
			hs = append(hs, Holder{"attached to " + node, "name that device instead, or losetup -d " + node})
		}
	}
	return hs
}

// isNode reports whether path is a node of device n.
func isNode(path string, n devnum) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && isBlock(info.Mode()) && number(info) == n
}

// unescape undoes the octal escapes of /proc: of space, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func readNumber(file string) (n devnum) {
	_, _ = fmt.Sscanf(readLine(file), "%d:%d", &n.major, &n.minor)
	return n
}

func readLine(file string) string {
	lines := readLines(file)
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

func readLines(file string) []string {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// ErrOnBcache says that a device is one that bcache shows, or stands on one.
var ErrOnBcache = errors.New("a device of bcache's own, which no other can be made of")

// OnBcache refuses /dev/bcacheN, its partitions and what is stacked on them, under any name, and names that could be
// nothing else. Whatever is not there yet is nobody's.
func OnBcache(path string) error {
	real := path
	if r, err := filepath.EvalSymlinks(path); err == nil {
		real = r
	}
	for _, p := range []string{real, path} {
		if abs, err := filepath.Abs(p); err == nil && strings.HasPrefix(abs, "/dev/bcache") && !strings.HasPrefix(abs, "/dev/bcachectl") {
			return fmt.Errorf("%s: %w", path, ErrOnBcache)
		}
	}
	info, err := os.Stat(path)
	if err == nil && isBlock(info.Mode()) && live.onBcache(live.dir(number(info)), 0) {
		return fmt.Errorf("%s: %w", path, ErrOnBcache)
	}
	return nil
}

// deepest bounds how far a stack of devices is followed.
const deepest = 16

// onBcache follows partitions and slaves downwards.
func (s system) onBcache(dir string, depth int) bool {
	if dir == "" || depth > deepest {
		return false
	}
	if strings.HasPrefix(filepath.Base(dir), "bcache") {
		return true
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil && s.onBcache(filepath.Dir(dir), depth+1) {
		return true
	}
	slaves, _ := filepath.Glob(filepath.Join(dir, "slaves", "*"))
	for _, link := range slaves {
		if below, err := filepath.EvalSymlinks(link); err == nil && s.onBcache(below, depth+1) {
			return true
		}
	}
	return false
}
