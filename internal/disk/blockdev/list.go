// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Node is a block device of this host: a whole disk, a partition, or what is stacked on such.
type Node struct {
	Path  string
	Below []string // paths of the devices it stands on: one that shows through there is this one
}

// List is the block devices of the host that hold something, by their order in sysfs, partitions behind their disk;
// bcache's own are left out, for what is on them is data. Nothing is opened. Errors: there is no sysfs.
func List() ([]Node, error) { return live.list() }

func (s system) list() (nodes []Node, err error) {
	entries, err := os.ReadDir(filepath.Join(s.sys, "block"))
	if err != nil {
		return nil, atPath(filepath.Join(s.sys, "block"), err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "bcache") {
			continue
		}
		dir := filepath.Join(s.sys, "block", e.Name())
		nodes = s.add(nodes, dir)
		parts, _ := filepath.Glob(filepath.Join(dir, "*", "partition"))
		for _, p := range parts {
			nodes = s.add(nodes, filepath.Dir(p))
		}
	}
	return nodes, nil
}

// add appends the device of a sysfs directory, unless there is no medium in it.
func (s system) add(nodes []Node, dir string) []Node {
	if size := readLine(filepath.Join(dir, "size")); size == "" || size == "0" {
		return nodes
	}
	n := Node{Path: s.node(dir)}
	slaves, _ := filepath.Glob(filepath.Join(dir, "slaves", "*"))
	for _, link := range slaves {
		n.Below = append(n.Below, s.node(link))
	}
	return append(nodes, n)
}

// node is the path of a device by its sysfs directory. In a name there the kernel writes ! for /.
func (s system) node(dir string) string {
	if name := readLine(filepath.Join(dir, "dm", "name")); name != "" {
		if mapped := filepath.Join(s.dev, "mapper", name); exists(mapped) {
			return mapped
		}
	}
	return filepath.Join(s.dev, strings.ReplaceAll(filepath.Base(dir), "!", "/"))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Registered is what the running kernel's bcache says of a device.
type Registered struct {
	Set    string // uuid of the set whose cache it is; "" of a backing device
	Device string // path of the device that it backs; "" of a cache, or while that does not run
	Dirty  *uint64
}

// Registered is whether the kernel's bcache has the device, or a loop device on the image file; nil if not. Dirty is in
// bytes, as the kernel rounds it.
func (d *Device) Registered() *Registered {
	if d.IsBlock() {
		return live.registered(live.dir(number(d.info)))
	}
	files, _ := filepath.Glob(filepath.Join(live.sys, "block", "loop*", "loop", "backing_file"))
	for _, file := range files {
		if at, err := os.Stat(readLine(file)); err == nil && os.SameFile(at, d.info) {
			if r := live.registered(filepath.Dir(filepath.Dir(file))); r != nil {
				return r
			}
		}
	}
	return nil
}

func (s system) registered(dir string) *Registered {
	if dir == "" || !exists(filepath.Join(dir, "bcache")) {
		return nil
	}
	r := &Registered{}
	if set, err := filepath.EvalSymlinks(filepath.Join(dir, "bcache", "set")); err == nil {
		r.Set = filepath.Base(set)
		return r
	}
	if dev, err := filepath.EvalSymlinks(filepath.Join(dir, "bcache", "dev")); err == nil {
		r.Device = filepath.Join(s.dev, filepath.Base(dev))
	}
	if n, err := parseHuman(readLine(filepath.Join(dir, "bcache", "dirty_data"))); err == nil {
		r.Dirty = &n
	}
	return r
}

// parseHuman reads a size as bcache prints it in sysfs: 512, 1.5k, 1023.9M.
func parseHuman(text string) (uint64, error) {
	digits := strings.TrimRight(text, "kMGTPE")
	shift := 0
	if unit := text[len(digits):]; len(unit) > 1 {
		return 0, fmt.Errorf("%q is no size", text)
	} else if unit != "" {
		shift = 10 * (1 + strings.Index("kMGTPE", unit))
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v >= 0) || v >= 1<<20 && shift > 0 {
		return 0, fmt.Errorf("%q is no size", text)
	}
	return uint64(v * float64(uint64(1)<<shift)), nil
}
