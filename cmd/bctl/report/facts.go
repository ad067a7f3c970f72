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
	dirty := app.Human(uint64(s.Dirty()))
	if !k.Counts() {
		dirty = "at least " + dirty + " seen"
	}
	return append(list, [2]string{"extents", k.Words(uint64(s.Btree.Extents))}, [2]string{"dirty", dirty},
		[2]string{"journal", fmt.Sprintf("entry %d, %s live", s.Journal.Seq, fmt.Sprint(s.Journal.Entries))},
		[2]string{"btree", fmt.Sprintf("%d nodes, depth %d", s.Btree.Nodes, s.Btree.Depth)})
}
