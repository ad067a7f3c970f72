// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"io"
	"sort"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/superblock"
)

// OpenDevices opens devices for reading, the cache first whatever their order. part says what of a device to look at,
// the first named or another; nil: all of it. closeAll closes those that could be opened. Errors: those of OpenDevice,
// and usage errors: a device twice, two caches, or several backing devices without their cache.
func OpenDevices(to *IO, names []string, part func(first bool, d disk.Device) (io.ReaderAt, int64)) (devs []fsck.Device, closeAll func(), err error) {
	var open []disk.Device
	closeAll = func() {
		for _, d := range open {
			d.Close()
		}
	}
	for i, name := range names {
		d, err := OpenDevice(to, name)
		if err != nil {
			return nil, closeAll, err
		}
		for _, other := range open {
			if disk.Same(d, other) {
				d.Close()
				return nil, closeAll, Usagef("%s and %s are the same device", other.Path(), name)
			}
		}
		open = append(open, d)
		r, size := io.ReaderAt(d), d.Size()
		if part != nil {
			r, size = part(i == 0, d)
		}
		devs = append(devs, fsck.Device{Name: name, R: r, Size: size, LogicalBlock: d.LogicalBlock()})
	}
	return devs, closeAll, SortDevices(devs)
}

// SortDevices puts the cache first, then what is not known: if it is the cache, its superblock is what is wrong. Where two
// say that they are the same backing device, the first that was named may be a cache all the same.
func SortDevices(devs []fsck.Device) error {
	const (
		cache = iota
		unknown
		backing
	)
	kinds := map[string]int{}
	caches := []string{}
	twins, seen := map[string]bool{}, map[ondisk.Super]string{} // a backing device's superblock stands twice: one may be over the cache's
	for _, d := range devs {
		s, err := superblock.Read(d.R)
		switch {
		case err != nil, len(devs) > 1 && s.Bucketless():
			kinds[d.Name] = unknown
		case s.IsBacking():
			kinds[d.Name] = backing
			if first, ok := seen[*s]; ok {
				twins[first] = true
			} else {
				seen[*s] = d.Name
			}
		default:
			kinds[d.Name] = cache
			caches = append(caches, d.Name)
		}
	}
	sort.SliceStable(devs, func(i, j int) bool { return kinds[devs[i].Name] < kinds[devs[j].Name] })
	switch {
	case len(caches) > 1:
		return Usagef("%s and %s are both cache devices, and a set has one", caches[0], caches[1])
	case len(devs) > 1 && kinds[devs[0].Name] == backing && !twins[devs[0].Name]:
		return Usagef("%s and %s are backing devices: name their cache too, or one of them alone", devs[0].Name, devs[1].Name)
	}
	return nil
}
