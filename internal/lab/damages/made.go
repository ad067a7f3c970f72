// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/planter"
)

// Made are caches of shapes that no image at hand has.
var Made = map[string]func(t planter.TB) *planter.Cache{
	// Room for everything, and a prio chain of three sets.
	"made-chain": func(t planter.TB) *planter.Cache {
		return planter.Make(t, planter.Plan{Buckets: 50000, Bucket: 128, Block: 8})
	},
	// Few buckets, one level, free blocks in every node.
	"made-small": func(t planter.TB) *planter.Cache {
		return planter.Make(t, planter.Plan{Buckets: 1024, Bucket: 128, Block: 8})
	},
	// Three levels: a root, two interior nodes, four leaves with two extents each.
	"made-tree": func(t planter.TB) *planter.Cache {
		c := planter.Make(t, planter.Plan{Buckets: 1024, Bucket: 128, Block: 4})
		free := c.Free(10)
		var upper []ondisk.Bkey
		for i := range 2 {
			var lower []ondisk.Bkey
			for j := range 2 {
				n := 2*i + j
				end := ondisk.Pos{Inode: 0, Offset: sectors(1000 * (n + 1))}
				if n == 3 {
					end = ondisk.MaxKey.Pos()
				}
				at := c.Geo.Start(free[6] - ondisk.Bucket(n))
				lower = append(lower, c.PutNode(free[n], 0, uint64(100+n), end, c.Key(0, sectors(1000*n+500), 100, at, 0), c.Key(0, sectors(1000*n+600), 28, at+100, 0)))
			}
			upper = append(upper, c.PutNode(free[4+i], 0, uint64(200+i), lower[1].Pos(), lower...))
		}
		c.AddSet(c.Root(), upper...)
		root := c.Root().Key
		c.SetRoot(root, 2)
		return c
	},
	// Buckets of 8 KiB: no machine with large pages could use it.
	"made-tiny-buckets": func(t planter.TB) *planter.Cache {
		return planter.Make(t, planter.Plan{Buckets: 1024, Bucket: 16, Block: 2})
	},
	// Small and quick to check, with two levels, dirty data and a journalled key.
	"hostile": func(t planter.TB) *planter.Cache {
		c := planter.Make(t, planter.Plan{Buckets: 600, Bucket: 128, Block: 8, JournalCount: 4})
		free := c.Free(8)
		var keys []ondisk.Bkey
		for i := range 3 {
			end := ondisk.Pos{Offset: sectors(1000 * (i + 1))}
			if i == 2 {
				end = ondisk.MaxKey.Pos()
			}
			data := planter.Dirty(c.Key(0, sectors(1000*i+504), 104, c.Geo.Start(free[3+i]), 0))
			keys = append(keys, c.PutNode(free[i], 0, uint64(50+i), end, data))
		}
		c.AddSet(c.Root(), keys...)
		c.SetRoot(c.Root().Key, 1)
		c.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{c.Key(0, 808, 8, c.Geo.Start(free[6]), 0)} })
		return c
	},
	// Buckets of 4 MiB, nodes of 1 MiB.
	"made-large-buckets": func(t planter.TB) *planter.Cache {
		return planter.Make(t, planter.Plan{Buckets: 1024, Bucket: 8192, Block: 8})
	},
	// Blocks of a sector.
	"made-512": func(t planter.TB) *planter.Cache {
		return planter.Make(t, planter.Plan{Buckets: 1024, Bucket: 128, Block: 1})
	},
}
