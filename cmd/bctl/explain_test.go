// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"os"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/message"
)

// Every code is explained with what docs/findings.md says of it, and every message with what docs/messages.md does.
func TestExplainAll(t *testing.T) {
	for _, part := range finding.Table() {
		for _, r := range part {
			got := bctl("explain", string(r.Code))
			flat := strings.Join(strings.Fields(got.Stdout), " ")
			for _, says := range []string{string(r.Code), r.Title, string(r.Severity), r.Help, r.Cost, r.Advice, r.Command} {
				if !strings.Contains(flat, strings.Join(strings.Fields(says), " ")) {
					t.Errorf("%s: exit %d, %q is not in %s", r.Code, got.Code, says, got.Stdout)
				}
			}
		}
	}
	for _, r := range message.All() {
		got := bctl("explain", strings.ReplaceAll(r.Text, "*", "x"))
		flat := strings.Join(strings.Fields(got.Stdout), " ")
		for _, says := range []string{r.Text, string(r.Grade), r.Means, r.Dont, r.Next, r.Codes} {
			if got.Code != 0 || !strings.Contains(flat, says) {
				t.Errorf("%s: exit %d, %q is not in %s", r.Text, got.Code, says, got.Stdout)
			}
		}
	}
}

// withStdin runs bctl with a text on standard input.
func withStdin(t *testing.T, text string, args ...string) apptest.Result {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { w.WriteString(text); w.Close() }()
	old := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = old; r.Close() }()
	return bctl(args...)
}

// A log is explained message by message, each once; what is not bcache's is passed over.
func TestExplainLog(t *testing.T) {
	log := `Nov 27 02:00:00 host kernel: EXT4-fs (sda1): mounted
Nov 27 02:00:01 host kernel: bcache: prio_read() bad csum reading priorities
Nov 27 02:00:01 host kernel: bcache: bch_cache_set_error() error on 4f: IO error reading priorities, disabling caching
Nov 27 02:00:01 host kernel: bcache: register_bcache() error /dev/sdb: failed to register device
Nov 27 02:00:02 host kernel: bcache: register_bcache() error /dev/sdb: failed to register device
`
	got := withStdin(t, log, "explain")
	for _, says := range []string{"bad csum reading priorities", "see above, in 2 lines", "rewrite-prios --from-btree", "findings  PR01"} {
		if got.Code != 0 || got.Stderr != "" || !strings.Contains(got.Stdout, says) {
			t.Errorf("exit %d, said %q, %q is not in\n%s", got.Code, got.Stderr, says, got.Stdout)
		}
	}
	if n := strings.Count(got.Stdout, "how bad"); n != 3 {
		t.Errorf("%d messages", n)
	}
	got = withStdin(t, log+"kernel: bcache: frob() all is new\n", "explain", "--json")
	if got.Code != app.ExitCannot || !strings.Contains(got.Stdout, `"explanations"`) || !strings.Contains(got.Stderr, "bcache: frob() all is new") {
		t.Errorf("exit %d, said %q", got.Code, got.Stderr)
	}
	if got = withStdin(t, "nothing of ours\n", "explain"); got.Code != app.ExitCannot {
		t.Errorf("exit %d for a log without bcache", got.Code)
	}
}

// Codes in any case, messages in pieces; what is not known is exit 8.
func TestExplainWords(t *testing.T) {
	if got := bctl("explain", "pr01", "ex05"); got.Code != 0 || !strings.Contains(got.Stdout, "PR01: ") || !strings.Contains(got.Stdout, "EX05: ") {
		t.Errorf("exit %d, %s", got.Code, got.Stdout)
	}
	if got := bctl("explain", "invalidating", "existing", "data"); got.Code != 0 || !strings.Contains(got.Stdout, "data at risk") {
		t.Errorf("exit %d, %s", got.Code, got.Stdout)
	}
	for _, word := range []string{"ZZ99", "no such thing"} {
		if got := bctl("explain", word); got.Code != app.ExitCannot || !strings.Contains(got.Stderr, "not known: "+word) {
			t.Errorf("%s: exit %d, said %q", word, got.Code, got.Stderr)
		}
	}
}

// A pipe gets every bucket, whatever a terminal is shown.
func TestPipeGetsAll(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	got := bctl("show-buckets", img.Cache)
	if lines := strings.Count(got.Stdout, "\n"); got.Code != 0 || lines < 2048 || got.Stderr != "" {
		t.Errorf("exit %d, %d lines, said %q", got.Code, lines, got.Stderr)
	}
	if got := bctl("show-buckets", "--limit", "5", img.Cache); strings.Count(got.Stdout, "\n") != 6 {
		t.Errorf("--limit 5: %d lines", strings.Count(got.Stdout, "\n"))
	}
}

// A flag that takes several values with commas, given once, is heard.
func TestMarksAreHeard(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	for marks, others := range map[string]string{"dirty": " clean ", "clean,dirty": " metadata "} {
		got := bctl("show-buckets", "--mark", marks, img.Cache)
		if got.Code != 0 || !strings.Contains(got.Stdout, " dirty ") || strings.Contains(got.Stdout, others) {
			t.Errorf("--mark %s: exit %d, begins with %.200s", marks, got.Code, got.Stdout)
		}
	}
}
