// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"fmt"
	"slices"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/disk"
	"bctl/superblock"
)

// openAll opens devices for reading, the cache first whatever their order. closeAll closes those that could be opened.
func openAll(io *app.IO, names []string, at scan) (devs []fsck.Device, closeAll func(), err error) {
	var open []disk.Device
	closeAll = func() {
		for _, d := range open {
			d.Close()
		}
	}
	for i, name := range names {
		d, err := app.OpenDevice(io, name)
		if err != nil {
			return nil, closeAll, err
		}
		for _, other := range open {
			if disk.Same(d, other) {
				d.Close()
				return nil, closeAll, app.Usagef("%s and %s are the same device", other.Path(), name)
			}
		}
		open = append(open, d)
		r, size := at.inside(i == 0, d, d.Size())
		devs = append(devs, fsck.Device{Name: name, R: r, Size: size, LogicalBlock: d.LogicalBlock()})
	}
	return devs, closeAll, sortDevices(devs)
}

// sortDevices puts the cache first, then what is not known: if it is the cache, its superblock is what is wrong.
func sortDevices(devs []fsck.Device) error {
	const (
		cache = iota
		unknown
		backing
	)
	kinds := map[string]int{}
	caches := []string{}
	for _, d := range devs {
		s, err := superblock.Read(d.R)
		switch {
		case err != nil:
			kinds[d.Name] = unknown
		case s.IsBacking():
			kinds[d.Name] = backing
		default:
			kinds[d.Name] = cache
			caches = append(caches, d.Name)
		}
	}
	slices.SortStableFunc(devs, func(a, b fsck.Device) int { return kinds[a.Name] - kinds[b.Name] })
	switch {
	case len(caches) > 1:
		return app.Usagef("%s and %s are both cache devices, and a set has one", caches[0], caches[1])
	case len(devs) > 1 && kinds[devs[0].Name] == backing:
		return app.Usagef("%s and %s are backing devices: name their cache too, or one of them alone", devs[0].Name, devs[1].Name)
	}
	return nil
}

// pairText says of each device that was given which volume it is, and of each volume which was not given.
func pairText(rep *fsck.Report) string {
	var b strings.Builder
	for _, p := range rep.Devices {
		label := ""
		if p.Label != "" {
			label = fmt.Sprintf(" %q", p.Label)
		}
		switch {
		case p.Device == nil:
			fmt.Fprintf(&b, "  backing  volume %d, %s%s: not given, not checked\n", *p.Inode, p.UUID, label)
		case p.Inode == nil:
			fmt.Fprintf(&b, "  backing  %s, %s%s, state %s: no volume of this cache\n", *p.Device, p.UUID, label, *p.State)
		default:
			fmt.Fprintf(&b, "  backing  %s, %s%s, state %s, %s: volume %d\n", *p.Device, p.UUID, label, *p.State, *p.CacheMode, *p.Inode)
		}
	}
	return b.String()
}
