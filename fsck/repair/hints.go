// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// Hints are what somebody says of a superblock that is lost; each goes before what the rest of the metadata tell. Zero:
// nothing is said.
type Hints struct {
	Block, Bucket ondisk.Sector
	FirstBucket   ondisk.Bucket
	NBuckets      ondisk.Bucket
	SetUUID       ondisk.UUID
	DataOffset    ondisk.Sector     // of a backing device
	Marks         *superblock.Trace // what is told where no journal is left; nil: nothing is
}

// ErrHint says that a hint cannot be right, or that one is needed.
var ErrHint = errors.New("the superblock is not told")

// over lays the hints over a trace, or makes one of them where nothing was found.
func (h *Hints) over(t *superblock.Trace, err error) (*superblock.Trace, error) {
	switch {
	case errors.Is(err, superblock.ErrNoTrace) && h.Marks != nil:
		marks := *h.Marks
		return h.over(&marks, nil)
	case errors.Is(err, superblock.ErrNoTrace) && !h.SetUUID.IsZero() && h.Bucket > 0:
		t = &superblock.Trace{SetMagic: h.SetUUID.SetMagic(), BlockSectors: ondisk.PageSectors}
	case err != nil:
		return nil, err
	case !h.SetUUID.IsZero() && h.SetUUID.SetMagic() != t.SetMagic:
		return nil, fmt.Errorf("%w: the journal is of a set whose uuid begins with %x", ErrHint, bigEndian(t.SetMagic))
	}
	if h.Block > 0 {
		t.BlockSectors = h.Block
	}
	if h.Bucket > 0 {
		t.BucketSectors = h.Bucket
	}
	t.FirstBucket, t.NBuckets = h.FirstBucket, h.NBuckets
	return t, nil
}

// bigEndian is a set's magic as its uuid is printed.
func bigEndian(magic uint64) []byte {
	u := make([]byte, 8)
	for i := range u {
		u[i] = byte(magic >> (8 * i))
	}
	return u
}

// Counts is how many buckets the cache of t may have, whose device begins at byte 0 of r, which goes on for size bytes.
// Behind one that begins within a disk something else may stand, so least is no more than what was used: the highest
// bucket that the newest prio chain has a gen of, or any key points to. Errors wrap ErrHint where that cannot be known.
func Counts(ctx context.Context, r io.ReaderAt, size int64, t *superblock.Trace) (least, most ondisk.Bucket, err error) {
	least, most, ok := t.Counts(r, size)
	if !ok {
		return 0, 0, fmt.Errorf("%w: no prio chain tells how many buckets there were", ErrHint)
	}
	all := *t
	all.NBuckets = most
	var set ondisk.UUID
	s, err := all.Super(size, derivedUUID(set, "any"), set)
	if err != nil {
		return 0, 0, err
	}
	c, err := inspect.Open(ctx, r, s, inspect.Options{Size: size, Sink: func(finding.Finding) {}})
	if err != nil {
		return 0, 0, err
	}
	if !c.Known().Journal || !c.Known().Tree {
		return least, most, fmt.Errorf("%w: from %d to %d buckets would do, and not all keys can be read", ErrHint, least, most)
	}
	err = c.EveryPointer(func(p ondisk.Ptr) {
		if b := c.Geo.BucketOf(p.Offset()); p.Available() && b < most {
			least = max(least, b+1)
		}
	})
	return least, most, err
}
