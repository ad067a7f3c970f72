// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"fmt"

	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/finding"
)

// startFrom takes the model's first state from a device, which is only read.
func (o *benchOptions) startFrom(ctx context.Context, io *app.IO) error {
	dev, err := app.OpenDevice(io, o.name)
	if err != nil {
		return err
	}
	defer dev.Close()
	var found finding.Collector
	cache, err := app.OpenCache(ctx, o.name, dev, io, &found)
	if err != nil {
		return err
	}
	if n := found.Count(finding.Damage); n > 0 {
		return app.WithHint(fmt.Errorf("%s: damaged (%s), so its gens and marks mean nothing", o.name, app.Plural(n, "finding")), "see bctl fsck %s", app.Quote(o.name))
	}
	o.takeCache(cache)
	return nil
}

// takeCache makes a cache that was read the one to start from.
func (o *benchOptions) takeCache(cache *inspect.Cache) {
	o.count, o.buckets = int(cache.Geo.NBuckets), []int{int(cache.Geo.BucketSectors)}
	o.geo = deviceShape{int(cache.Geo.FirstBucket), int(cache.Geo.BlockSectors)}
	o.device = cachesim.DeviceOf(cache)
}
