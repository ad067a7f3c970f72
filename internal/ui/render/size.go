// SPDX-License-Identifier: GPL-2.0-only

package render

import "fmt"

// Size is a count of sectors of 512 bytes as people read it.
func Size[T ~uint32 | ~uint64](sectors T) string {
	v, unit := float64(sectors)*512, 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}
