// SPDX-License-Identifier: GPL-2.0-only

package salvage

import (
	"context"
	"fmt"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/finding"
)

// older reads the cache of c again by the btree root in bucket root. It must be one that a journal entry names, whose
// level and gen are known by that; what was journalled since then counts, as far as it is there.
func older(ctx context.Context, c *inspect.Cache, root uint64, size int64, to *app.IO) (*inspect.Cache, error) {
	if c.Journal == nil || c.Journal.Newest == nil {
		return nil, fmt.Errorf("the journal names no root")
	}
	log := c.Journal
	for _, e := range log.BySeq() {
		j, _ := log.Read(e)
		if j == nil || j.BtreeRoot.Ptrs() != 1 || uint64(c.Geo.BucketOf(j.BtreeRoot.Ptr[0].Offset())) != root {
			continue
		}
		header := *log.Newest
		header.BtreeRoot, header.Level, header.LastSeq = j.BtreeRoot, j.Level, min(j.LastSeq, header.LastSeq)
		top := log.Live[len(log.Live)-1]
		var found finding.Collector
		again, err := inspect.Open(ctx, c.Reader(), c.Super, inspect.Options{Size: size, Sink: found.Add, Progress: to.Progress, Small: true, Log: log.From(top, &header)})
		if err != nil {
			return nil, err
		}
		to.Note("the root in bucket %d is journal entry %d's; the newest is %d", root, e.Seq, top.Seq)
		return again, nil
	}
	return nil, app.WithHint(fmt.Errorf("no journal entry names a root in bucket %d, the newest one's is in %d", root,
		c.Geo.BucketOf(log.Newest.BtreeRoot.Ptr[0].Offset())), "bctl show-journal lists them")
}
