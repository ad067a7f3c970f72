// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// OpenDevice opens a device for reading, and says on stderr if somebody uses it meanwhile.
func OpenDevice(io *IO, name string) (disk.Device, error) {
	dev, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	if note := disk.Note(dev); note != "" && !io.Quiet {
		fmt.Fprintf(io.Err, "bctl: %s\n", OneLine(note))
	}
	return dev, nil
}

// ShowCache reads the cache on the device of that name and shows it. What could be read of a damaged one is shown
// too; it ends with ExitDamage then.
func ShowCache(ctx context.Context, name string, io *IO, show func(cache *inspect.Cache) error) error {
	dev, err := OpenDevice(io, name)
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
		return WithHint(Damaged("%s is damaged (%s), so this may be incomplete", name, Plural(n, "finding")), "see bctl fsck %s", Quote(name))
	}
	return nil
}

// OpenCache reads the cache on dev, whose name errors begin with. It lies there as registration would see it.
func OpenCache(ctx context.Context, name string, dev disk.Device, io *IO, found *finding.Collector) (*inspect.Cache, error) {
	return openCache(ctx, name, dev, io, inspect.Options{Sink: found.Add})
}

// OpenSmall is OpenCache with a small table of buckets, and with an eye on memory from then on.
func OpenSmall(ctx context.Context, name string, dev disk.Device, io *IO, found *finding.Collector) (*inspect.Cache, error) {
	return openCache(ctx, name, dev, io, inspect.Options{Sink: found.Add, Small: true})
}

// largeCache is how many buckets a cache has of which memory is minded. The table of them takes most of it, and holds
// nothing that a collector would have to look at; garbage is the percentage of the memory in use that may be waste then.
const (
	largeCache = 1 << 17
	garbage    = 10
)

// MindMemory has little wasted from now on, if the cache is large.
func MindMemory(s *ondisk.Super) {
	if s.Nbuckets >= largeCache {
		debug.SetGCPercent(garbage)
	}
}

func openCache(ctx context.Context, name string, dev disk.Device, io *IO, o inspect.Options) (*inspect.Cache, error) {
	s, err := superblock.ReadDevice(dev, dev.Size())
	if err == nil && s.IsBacking() {
		err = WithHint(fmt.Errorf("a backing device, it has no buckets"), "name the cache; where the command takes both, it comes before the backing device")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if o.Small {
		MindMemory(s)
	}
	o.Size, o.Progress = dev.Size(), io.Progress
	cache, err := inspect.Open(ctx, dev, s, o)
	switch {
	case err == nil:
		return cache, nil
	case ctx.Err() == nil:
		err = noSizes{err}
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

// ErrNoSizes says that a cache's superblock does not tell where anything is.
var ErrNoSizes = errors.New("the superblock tells no sizes")

// noSizes is ErrNoSizes in the words of what is wrong.
type noSizes struct{ error }

func (e noSizes) Unwrap() error        { return e.error }
func (e noSizes) Is(target error) bool { return target == ErrNoSizes }
