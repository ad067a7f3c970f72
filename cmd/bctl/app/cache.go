// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"bctl/inspect"
	"bctl/internal/disk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// OpenDevice opens a device for reading, and says on stderr if somebody uses it meanwhile.
func OpenDevice(c *cli.Context, name string) (disk.Device, error) {
	dev, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	if note := disk.Note(dev); note != "" && !IsQuiet(c) {
		fmt.Fprintf(c.App.ErrWriter, "bctl: %s\n", OneLine(note))
	}
	return dev, nil
}

// ShowCache reads the one device of a command and shows it. What could be read of a damaged one is shown too.
func ShowCache(c *cli.Context, show func(name string, cache *inspect.Cache) error) error {
	name, err := OneDevice(c)
	if err != nil {
		return err
	}
	dev, err := OpenDevice(c, name)
	if err != nil {
		return err
	}
	defer dev.Close()
	var found finding.Collector
	cache, err := OpenCache(c, dev, &found)
	if err != nil {
		return err
	}
	if err := show(name, cache); err != nil {
		return err
	}
	return damageExit(c, name, &found)
}

// OpenCache reads the cache on dev. Errors name it.
func OpenCache(c *cli.Context, dev disk.Device, found *finding.Collector) (*inspect.Cache, error) {
	name := c.Args().First()
	s, err := superblock.ReadDevice(dev, dev.Size())
	if err == nil && s.IsBacking() {
		err = fmt.Errorf("a backing device, it has no buckets")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cache, err := inspect.Open(c.Context, dev, s, inspect.Options{Size: dev.Size(), Sink: found.Add, Progress: ProgressOf(c)})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cache, nil
}

// damageExit ends a command that has shown what it could of a damaged device.
func damageExit(c *cli.Context, name string, found *finding.Collector) error {
	n := found.Count(finding.Damage)
	if n == 0 {
		return nil
	}
	fmt.Fprintf(c.App.ErrWriter, "bctl: %s is damaged (%d findings), so this may be incomplete: see bctl fsck %s\n", name, n, name)
	return ExitWith(ExitDamage)
}
