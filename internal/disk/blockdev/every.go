// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"os"
	"path/filepath"
	"slices"
)

// Every is the nodes of all block devices that the kernel shows, disks and partitions, in order of their names. Where it
// shows none, there are none.
func Every() []string { return live.every() }

func (s system) every() (nodes []string) {
	names, err := os.ReadDir(filepath.Join(s.sys, "class", "block"))
	if err != nil {
		return nil
	}
	for _, n := range names {
		node := filepath.Join(s.dev, n.Name())
		if info, err := os.Stat(node); err == nil && isBlock(info.Mode()) {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}
