// SPDX-License-Identifier: GPL-2.0-only

package btree

import "bctl/internal/finding"

// collect returns a sink and what came through it.
func collect() (finding.Sink, *finding.Collector) {
	c := new(finding.Collector)
	return c.Add, c
}
