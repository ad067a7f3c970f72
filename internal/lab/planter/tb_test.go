// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"strings"
	"testing"
)

// Outside of tests an error comes back; what is none of the planter's goes on as the panic that it is.
func TestTry(t *testing.T) {
	var c *Cache
	if err := Try(func(tb TB) { c = Make(tb, Plan{Buckets: 1024, Bucket: 128, Block: 8}) }); err != nil || c.Root().Level != 0 {
		t.Error(err)
	}
	done := false
	err := Try(func(tb TB) {
		Open(tb, c.Image).Free(5000)
		done = true
	})
	if err == nil || done || !strings.Contains(err.Error(), "want 5000") {
		t.Errorf("%v, %v", err, done)
	}
	if err := Try(func(TB) { _ = c.Levels()[c.Root().Level+1] }); err == nil {
		t.Error("a level above the root")
	}
	defer func() {
		if r := recover(); r != "other" {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = Try(func(TB) { panic("other") })
}
