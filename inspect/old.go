// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"slices"
	"sync"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/workers"
)

// oldNodes is what OldNodes found.
type oldNodes struct {
	buckets []ondisk.Bucket
	seqs    map[ondisk.Bucket]uint64 // of the first so many
}

// How the buckets' beginnings are read: a worker takes so many buckets at a time, and there are so many workers, for each
// read is a block, somewhere, and a device is fast only while many of them wait.
const (
	oldRun     = 1024
	oldReaders = 32
	oldSeqs    = 1024
)

// sparse is a reader that knows where it holds nothing but zeroes.
type sparse interface {
	// Data is the first run of bytes at off or behind that may hold anything else. It is empty where there is none.
	Data(off int64) (from, to int64)
}

// OldNodes are the buckets that nothing live uses and that begin as a node of this set does, in order. It reads a block of
// each unused bucket, the first time. Errors: the context's.
func (c *Cache) OldNodes() ([]ondisk.Bucket, error) {
	if c.old != nil {
		return c.old.buckets, nil
	}
	first, n := c.Geo.FirstBucket, int(max(c.Geo.NBuckets, c.Geo.FirstBucket)-c.Geo.FirstBucket)
	found := &oldNodes{seqs: map[ondisk.Bucket]uint64{}}
	var mu sync.Mutex
	count := c.o.Progress("unused buckets", int64(n))
	defer count.Done()
	workers.Each(c.ctx, max(oldReaders, c.o.Workers), (n+oldRun-1)/oldRun, func() func(int) {
		head := make([]byte, ondisk.BsetBytes)
		return func(i int) {
			from := first + ondisk.Bucket(i*oldRun)
			to := min(from+oldRun, c.Geo.NBuckets)
			c.eachUnused(from, to, func(b ondisk.Bucket) {
				if seq := c.nodeSeq(b, head); seq != 0 {
					mu.Lock()
					defer mu.Unlock()
					found.buckets = append(found.buckets, b)
					if len(found.seqs) < oldSeqs {
						found.seqs[b] = seq
					}
				}
			})
			count.Add(int64(to - from))
		}
	})
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	slices.Sort(found.buckets)
	c.old = found
	return found.buckets, nil
}

// NodeSeq is the seq of the node that a bucket begins as; 0 where it begins as none of this set.
func (c *Cache) NodeSeq(b ondisk.Bucket) uint64 {
	if c.old != nil && c.old.seqs[b] != 0 {
		return c.old.seqs[b]
	}
	return c.nodeSeq(b, make([]byte, ondisk.BsetBytes))
}

func (c *Cache) nodeSeq(b ondisk.Bucket, head []byte) uint64 {
	if n, _ := c.r.ReadAt(head, c.Geo.Start(b).Bytes()); n < len(head) {
		return 0
	}
	if h, err := ondisk.DecodeBsetHeader(head); err == nil && h.HasMagic(c.Geo.SetMagic) {
		return h.Seq
	}
	return 0
}

// eachUnused calls do for the buckets from up to before to that nothing uses, but for those that begin in a hole.
func (c *Cache) eachUnused(from, to ondisk.Bucket, do func(ondisk.Bucket)) {
	r, knows := c.r.(sparse)
	data, end := int64(0), int64(0) // the run of data that comes next: before it are zeroes
	for b := from; b < to && c.ctx.Err() == nil; b++ {
		if c.Buckets.Mark(b) != Free {
			continue
		}
		at := c.Geo.Start(b).Bytes()
		if knows && at >= end {
			if data, end = r.Data(at); data >= end {
				return
			}
		}
		if !knows || at+ondisk.BsetBytes > data {
			do(b)
		}
	}
}
