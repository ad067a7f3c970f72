// SPDX-License-Identifier: GPL-2.0-only

package writeback

// mostRanges bounds how many runs are kept apart: beyond it a new one takes in all between it and the last.
const mostRanges = 1 << 16

// ranges are runs of bytes, in order. They may hold more than was added, never less.
type ranges struct {
	list []struct{ from, to int64 }
	sum  int64 // of what was added
	at   int   // where overlaps is
}

// add takes a run behind the last, or one that goes on.
func (r *ranges) add(from, to int64) {
	r.sum += to - from
	if n := len(r.list); n > 0 && (r.list[n-1].to >= from || n == mostRanges) {
		r.list[n-1].to = max(r.list[n-1].to, to)
		return
	}
	r.list = append(r.list, struct{ from, to int64 }{from, to})
}

// overlaps reports whether any of from up to before to is in it. It is asked in order.
func (r *ranges) overlaps(from, to int64) bool {
	if r == nil {
		return false
	}
	for r.at < len(r.list) && r.list[r.at].to <= from {
		r.at++
	}
	return r.at < len(r.list) && r.list[r.at].from < to
}

// rewind has overlaps asked from the start again.
func (r *ranges) rewind() {
	if r != nil {
		r.at = 0
	}
}
