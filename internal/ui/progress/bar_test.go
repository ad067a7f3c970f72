// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package progress

import (
	"strings"
	"testing"

	"github.com/cheggaaa/pb/v3"
)

// A template that does not parse is silently replaced by pb's own.
func TestTemplates(t *testing.T) {
	for _, test := range []struct {
		limit int64
		bytes bool
		want  []string
	}{
		{200, false, []string{"btree nodes 50 / 200", "25.00%"}},
		{0, false, []string{"btree nodes 50 "}},
		{200, true, []string{"btree nodes 50 B / 200 B", "25.00%", "/s"}},
	} {
		b := pb.New64(test.limit).SetTemplateString(template(test.limit, test.bytes)).Set(pb.Bytes, test.bytes).Set("what", "btree nodes").SetCurrent(50).SetWidth(80)
		for _, want := range test.want {
			if got := b.String(); !strings.Contains(got, want) {
				t.Errorf("bar %q: no %q in it", got, want)
			}
		}
	}
}
