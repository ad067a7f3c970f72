// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"slices"
	"sync"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// EveryPointer calls visit for each pointer of each key on the device, one at a time: those of dead keys in older
// bsets, of freed nodes' records, of the nodes themselves, and of the live journal. Errors: the context's.
func (c *Cache) EveryPointer(visit func(p ondisk.Ptr)) error { return c.pointers(true, visit) }

// OtherPointers is EveryPointer without those of leaves of which every key counts: the table of buckets tells of their
// pointers, the live ones by the bucket's Mark, and the oldest stale one by its Lag. Errors: the context's.
func (c *Cache) OtherPointers(visit func(p ondisk.Ptr)) error { return c.pointers(false, visit) }

func (c *Cache) pointers(all bool, visit func(p ondisk.Ptr)) error {
	var mu sync.Mutex
	take := func(k *ondisk.Bkey) {
		for _, p := range k.Ptr[:k.Ptrs()] {
			visit(p)
		}
	}
	quiet := func(finding.Finding) {} // the first walk reported
	for i, nodes := range append(append([][]child{}, c.Tree.above...), c.Tree.leaves) {
		level := len(c.Tree.above) - i
		if level == 0 && !all {
			for _, n := range nodes {
				key := n.key()
				take(&key)
			}
			nodes = slices.DeleteFunc(slices.Clone(nodes), func(n child) bool { return !n.hides })
		}
		err := c.eachNode(nodes, quiet, level, func(_ int, n *btree.Node) {
			mu.Lock()
			defer mu.Unlock()
			take(&n.Key)
			n.Every(take)
		})
		if err != nil {
			return err
		}
	}
	keys, _ := ondisk.DecodeKeys(c.keys.keys)
	for i := range keys {
		take(&keys[i])
	}
	uuid := c.Journal.Newest.UUIDBucket.Bkey
	take(&uuid)
	return nil
}
