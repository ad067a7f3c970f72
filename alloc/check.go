package alloc

import "fmt"

// listed returns where each bucket is that waits for use, by name.
func (c *Cache) listed() map[uint32]string {
	on := map[uint32]string{}
	for r := range c.free {
		for _, b := range c.free[r].appendTo(nil) {
			on[b] = fmt.Sprintf("free[%s]", Reserve(r))
		}
	}
	for _, b := range c.freeInc.appendTo(nil) {
		on[b] = "free_inc"
	}
	if c.hand >= 0 {
		on[uint32(c.hand)] = "the allocator's hand"
	}
	return on
}
