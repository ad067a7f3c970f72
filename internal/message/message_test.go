// SPDX-License-Identifier: GPL-2.0-only

package message

import (
	"strings"
	"testing"

	"bctl/internal/finding"
)

// Every row says what it should, in its own words, and names codes that there are.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All() {
		for _, text := range append([]string{r.Text}, r.Aliases...) {
			if len(strings.ReplaceAll(text, "*", "")) < 7 || seen[text] {
				t.Errorf("%q: too short, or twice", text)
			}
			seen[text] = true
			if got, ok := Find(strings.ReplaceAll(text, "*", "x")); !ok || got.Text != r.Text {
				t.Errorf("%q leads to %q", text, got.Text)
			}
		}
		if r.Means == "" || r.Next == "" || r.Grade == "" || !strings.HasSuffix(r.Means, ".") || r.Dont != "" && !strings.HasSuffix(r.Dont, ".") {
			t.Errorf("%q: something is missing", r.Text)
		}
		for code := range strings.FieldsSeq(r.Codes) {
			if _, ok := finding.Find(finding.Code(code)); !ok {
				t.Errorf("%q: no code %s", r.Text, code)
			}
		}
		if len(r.Findings()) != len(strings.Fields(r.Codes)) {
			t.Errorf("%q: %d rows for %s", r.Text, len(r.Findings()), r.Codes)
		}
	}
}

// Lines as they stand in logs of several kernels.
func TestLines(t *testing.T) {
	for line, want := range map[string]string{
		"[   12.345678] bcache: prio_read() bad csum reading priorities":                                                          "bad csum reading priorities",
		"kernel: bcache: bch_cache_set_error() bcache: error on 4fe7-: IO error reading priorities, disabling caching":            "error on *: *, disabling caching",
		"bcache: bch_cache_set_error() error on 4fe7-: bad checksum at bucket 762, block 0, 5 keys, disabling caching":            "bad btree header",
		"bcache: bch_cache_set_error() error on 4fe7-: io error reading bucket 5, disabling caching":                              "io error reading bucket",
		"bcache: bch_cache_set_error() error on 4fe7-: bad btree root, disabling caching":                                         "error reading btree root",
		"bcache: bch_cache_set_error() error on 4fe7-: who knows, disabling caching":                                              "error on *: *, disabling caching",
		"bcache: register_bcache() error /dev/sdb1: failed to register device":                                                    "error *: failed to register device",
		"bcache: register_bcache() error : device already registered":                                                             "device already registered",
		"bcache: journal_read_bucket() 12: bad csum, 18432 bytes, offset 77":                                                      "*: bad csum, * bytes, offset *",
		"bcache: bch_journal_replay() bcache: journal entries 12-14 missing! (replaying 3-77)":                                    "journal entries * missing! (replaying *",
		"bcache: error on 5c7b: unsupported bset version at bucket 15, block 0, 829348 keys":                                      "bad btree header",
		"bcache: run_cache_set() invalidating existing data":                                                                      "invalidating existing data",
		"bcache: bch_cached_dev_attach() Couldn't find uuid for vdb in set":                                                       "Couldn't find uuid for * in set",
		"bcache: bch_cached_dev_attach() Couldn't attach sdc: block size less than set's block size":                              "Couldn't attach *: block size less than set's block size",
		"bcache: bch_count_io_errors() nvme0n1: IO error on writing btree.":                                                       "IO error on *",
		"bcache: bch_count_backing_io_errors() sdb: IO error on backing device, unrecoverable":                                    "IO error on backing device, unrecoverable",
		"bcache: bch_bkey_dump() stale dirty pointer, stale 3, key: 0:1024 len 8":                                                 "stale dirty pointer, stale *, key: *",
		"bcache: read_super() Bad checksum":                                                                                       "Bad checksum",
		"UBSAN: array-index-out-of-bounds in drivers/md/bcache/bset.c:1098:3":                                                     "UBSAN: *drivers/md/bcache/",
		`bcache: stop_when_cache_set_failed of bcache0 is "auto" and cache is dirty, stop it to avoid potential data corruption.`: `stop_when_cache_set_failed of * is "auto" and cache is dirty`,
	} {
		if r, ok := Find(line); !ok || r.Text != want {
			t.Errorf("%q: %q, want %q", line, r.Text, want)
		}
	}
	for _, line := range []string{"", "EXT4-fs (sda1): mounted filesystem", "bcache: somebody() said something new"} {
		if r, ok := Find(line); ok {
			t.Errorf("%q: %q", line, r.Text)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("bcache: error on x: y, disabling caching")
	f.Fuzz(func(t *testing.T, line string) {
		if r, ok := Find(line); ok != (r.Text != "") {
			t.Fatalf("%q: %v, %v", line, r, ok)
		}
	})
}
