// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"bctl/alloc"
)

// TestScriptErrors: every line that cannot be run is named, with its number.
func TestScriptErrors(t *testing.T) {
	const fresh = "config nbuckets=600 bucket_size=64 sync=0\nstart fresh\n" // takes bucket 5 to 20
	for _, c := range []struct{ script, want string }{
		{"config nbuckets=512\n", "line 1: config: nbuckets: 512: at least 513"},
		{"# a comment\n\nconfig nbuckets=many\n", `line 3: config: nbuckets: "many": want a number`},
		{"config nbuckets\n", `line 1: config: want KEY=VALUE, not "nbuckets"`},
		{"config buckets=600\n", "line 1: config: buckets: no such key"},
		{"config policy=3\n", `line 1: config: policy: replacement policy "3": want lru, fifo or random`},
		{"config sched=soon\n", `line 1: config: sched: "soon": want eager or lazy`},
		{"config sync=yes\n", `line 1: config: sync: "yes": want 0 or 1`},
		{"config seed=18446744073709551616\n", "line 1: config: seed: 18446744073709551616: at most 18446744073709551615"},
		{"config bucket_size=100\nhash\n", "line 2: bad allocator configuration: bucket size of 100 sectors is not a power of two"},
		{"config bucket_size=4\nhash\n", "line 2: bad allocator configuration: block size of 8 sectors in buckets of 4"},
		{"config first_bucket=1024\nhash\n", "line 2: bad allocator configuration: first bucket 1024 of 1024"},
		{"hash\nconfig nbuckets=600\n", "line 2: config: only before every other op"},
		{"allocate none\n", `line 1: unknown op "allocate"`},
		{"alloc none\n", "line 1: alloc: want alloc btree|prio|movinggc|none MODE"},
		{"alloc some wait\n", `line 1: alloc: reserve "some": want btree, prio, movinggc or none`},
		{"alloc none park=\n", `line 1: alloc: mode "park=": want wait, nowait or park=LABEL`},
		{"alloc_sectors 1048576 0 8 0 0 wait\n", "line 1: alloc_sectors: inode 1048576: at most 1048575"},
		{"alloc_sectors 1 0 0 0 0 wait\n", "line 1: alloc_sectors: no sectors"},
		{"write 1 0 8 0 0 back\n", `line 1: write: "back": want writeback or writethrough`},
		{"prio 1024 5\n", "line 1: prio: bucket 1024: at most 1023"},
		{"prio 9-3 5\n", "line 1: prio: buckets 9-3: the range ends before it begins"},
		{"gen 3 256\n", "line 1: gen: 256: at most 255"},
		{"gen 3 -1\n", `line 1: gen: "-1": want a number`},
		{"mark 3 clean\n", `line 1: mark: mark "clean": want free, reclaimable, dirty or metadata`},
		{"scatter pin 1 2 3\n", `line 1: scatter: field "pin": want prio, gen, age, mark or used`},
		{"scatter prio 1 3 2\n", "line 1: scatter: the range ends before it begins"},
		{"uuid 1 clean\n", `line 1: uuid: "clean": want flash or cached`},
		{"prio_slot 1 9\n", "line 1: prio_slot: slot 1: at most 0"},
		{"prio_blocked dec\n", "line 1: prio_blocked: it is 0"},
		{"prio_write soon\n", `line 1: prio_write: mode "soon": want wait or nowait`},
		{"gc all\n", `line 1: gc: "all": want keep or clear`},
		{"state long\n", `line 1: state: "long": want short, or nothing`},
		{"start new\n", `line 1: start: "new": want fresh, existing or bare`},
		{"start fresh\n", "line 1: start: bad allocator configuration: a fresh device starts with sync off"},
		{fresh + "start bare\n", "line 3: start: bad allocator configuration: already started"},
		{fresh + "pin 20\n", "line 3: pin: bucket 20 is on free[prio]"},
		{fresh + "put 17\n", "line 3: put: bucket 17 is on the allocator's hand"},
		{fresh + "put 300\n", "line 3: put: kernel BUG: bucket 300: unpinned below zero"},
		{fresh + "io_disable\nprio_write wait\n", "line 4: kernel BUG: no bucket for prio slot 0"},
		{"rescale 2147483648\n", "line 1: rescale: 2147483648: at most 2147483647"},
		{"hash\n" + strings.Repeat("x", 1<<21), "line 2: line too long"},
	} {
		var out bytes.Buffer
		err := Run(strings.NewReader(c.script), &out, alloc.DefaultModel())
		var se *Error
		if !errors.As(err, &se) || err.Error() != c.want {
			t.Errorf("%.60q:\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

type brokenWriter struct{ left int }

var errBroken = errors.New("broken")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

// TestScriptWriteError: what cannot be written is not a script's fault.
func TestScriptWriteError(t *testing.T) {
	script := "config sync=0\nstart fresh\n" + strings.Repeat("state\n", 100)
	for _, left := range []int{0, 5000} {
		if err := Run(strings.NewReader(script), &brokenWriter{left}, alloc.DefaultModel()); !errors.Is(err, errBroken) {
			t.Errorf("after %d bytes: %v", left, err)
		}
	}
}

// TestEndlessGC: a set of prios that takes as many buckets as are invalidated
// for it leaves none for anybody. The kernel would go on for ever.
func TestEndlessGC(t *testing.T) {
	script := "config nbuckets=2048 bucket_size=1 block_size=1 sync=0\nstart fresh\nsync 1\n" +
		strings.Repeat("alloc none wait\n", 20)
	var out bytes.Buffer
	err := Run(strings.NewReader(script), &out, alloc.DefaultModel())
	var se *Error
	if !errors.As(err, &se) || !strings.Contains(se.Msg, "no further") {
		t.Errorf("got %v after\n%s", err, out.String()[max(0, out.Len()-500):])
	}
}
