// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"fmt"

	"bctl/inspect"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/superblock"
)

// ShowCache reads the cache on the device of that name and shows it. What could be read of a damaged one is shown
// too; it ends with ExitDamage then.
func ShowCache(ctx context.Context, name string, io *IO, show func(cache *inspect.Cache) error) error {
	dev, err := blockdev.Open(name)
	if err != nil {
		return err
	}
	defer dev.Close()
	var found finding.Collector
	cache, err := OpenCache(ctx, name, dev, io, &found)
	if err != nil {
		return err
	}
	if err := show(cache); err != nil {
		return err
	}
	if n := found.Count(finding.Damage); n > 0 {
		return WithHint(Damaged("%s is damaged (%d findings), so this may be incomplete", name, n), "see bctl fsck %s", name)
	}
	return nil
}

// OpenCache reads the cache on dev, whose name errors begin with. It lies there as registration would see it.
func OpenCache(ctx context.Context, name string, dev *blockdev.Device, io *IO, found *finding.Collector) (*inspect.Cache, error) {
	s, err := superblock.Read(dev)
	if err == nil && s.IsBacking() {
		err = fmt.Errorf("a backing device, it has no buckets")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cache, err := inspect.Open(ctx, dev, s, inspect.Options{Size: dev.Size(), Sink: found.Add, Progress: io.Progress})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cache, nil
}
