// SPDX-License-Identifier: GPL-2.0-only

package report

import (
	"fmt"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/inspect"
	"bctl/superblock"
)

// facts are the labelled lines at the top of the page.
func facts(rep *fsck.Report, c *inspect.Cache) [][2]string {
	s := rep.Summary
	k := s.Known
	list := [][2]string{
		{"set", c.Super.SetUUID.String()},
		{"uuid", c.Super.UUID.String()},
		{"size", app.Human(uint64(c.Geo.NBuckets) * uint64(c.Geo.BucketSectors))},
		{"buckets", fmt.Sprintf("%d of %s", s.Buckets.Total, app.Human(uint64(c.Geo.BucketSectors)))},
		{"replacement", c.Super.Replacement().String()},
	}
	if label := superblock.Label(c.Super.Label); label != "" {
		list = append(list, [2]string{"label", label})
	}
	dirty := counted(k) + app.Human(uint64(s.Dirty()))
	if s.Dirty() == 0 && counted(k) != "" {
		dirty = "unknown"
	}
	nodes := app.Plural(s.Btree.Nodes, "node")
	if !k.Tree {
		nodes = "at least " + nodes
	}
	return append(list, [2]string{"extents", k.Words(uint64(s.Btree.Extents))}, [2]string{"dirty", dirty},
		[2]string{"journal", fmt.Sprintf("entry %d, %s live", s.Journal.Seq, fmt.Sprint(s.Journal.Entries))},
		[2]string{"btree", fmt.Sprintf("%s, depth %d", nodes, s.Btree.Depth)})
}

// counted is what stands before a count: where keys may be missing it is the least there is, where gens are unknown, the
// most, for what is stale looks live.
func counted(k inspect.Known) string {
	switch {
	case k.Counts():
		return ""
	case k.Tree && k.Journal:
		return "at most "
	}
	return "at least "
}
