// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"fmt"
	"io"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/disk"
)

// openAll opens devices as app.OpenDevices does; of the first, what at says of it.
func openAll(to *app.IO, names []string, at scan) (devs []fsck.Device, closeAll func(), err error) {
	return app.OpenDevices(to, names, func(first bool, d disk.Device) (io.ReaderAt, int64) { return at.inside(first, d, d.Size()) })
}

// pairText says of each device that was given which volume it is, and of each volume which was not given.
func pairText(rep *fsck.Report) string {
	var b strings.Builder
	for _, p := range rep.Devices {
		label := ""
		if p.Label != "" {
			label = fmt.Sprintf(" %q", p.Label)
		}
		switch {
		case p.Device == nil:
			fmt.Fprintf(&b, "  backing  volume %d, %s%s: not given, not checked\n", *p.Inode, p.UUID, label)
		case p.Inode == nil:
			fmt.Fprintf(&b, "  backing  %s, %s%s, state %s: no volume of this cache\n", *p.Device, p.UUID, label, *p.State)
		default:
			fmt.Fprintf(&b, "  backing  %s, %s%s, state %s, %s: volume %d\n", *p.Device, p.UUID, label, *p.State, *p.CacheMode, *p.Inode)
		}
	}
	return b.String()
}
