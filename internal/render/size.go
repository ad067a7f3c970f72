package render

import "fmt"

// Sectors is a count of 512-byte sectors as people read a size: "1.5 GiB". Scripts get the count.
func Sectors(n uint64) string {
	const units = "KMGTPE"
	size, unit := float64(n)/2, 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if size == float64(uint64(size)) {
		return fmt.Sprintf("%d %ciB", uint64(size), units[unit])
	}
	return fmt.Sprintf("%.1f %ciB", size, units[unit])
}
