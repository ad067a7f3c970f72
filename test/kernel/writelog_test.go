// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// A log of a write, a flush, a discard and a write, made by hand.
func TestWriteLog(t *testing.T) {
	var b bytes.Buffer
	put := func(words ...uint64) {
		at := b.Len()
		for _, w := range words {
			binary.Write(&b, binary.LittleEndian, w)
		}
		b.Write(make([]byte, 512-(b.Len()-at)))
	}
	put(logMagic, 1, 4, 512)
	put(2, 1, 0, 0)
	b.Write(bytes.Repeat([]byte{'a'}, 512))
	put(0, 0, logFlush, 0)
	put(2, 1, logDiscard, 0)
	put(3, 1, logFUA, 0)
	b.Write(bytes.Repeat([]byte{'b'}, 512))
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	image := make([]byte, 4096)
	for i, want := range []string{"a\x00", "a\x00", "\x00\x00", "\x00b"} {
		if err := l.apply(image, i); err != nil {
			t.Fatal(err)
		}
		if got := string([]byte{image[1024], image[1536]}); got != want {
			t.Errorf("after entry %d: %q, want %q", i, got, want)
		}
	}
	for n, want := range map[int]int{0: 0, 1: 0, 2: 1, 4: 1} {
		if got := l.lastFlush(n); got != want {
			t.Errorf("last flush before %d: %d, want %d", n, got, want)
		}
	}
	out := filepath.Join(t.TempDir(), "image")
	if err := saveSparse(out, append(make([]byte, 8192), image...)); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(out); len(got) != 12288 || got[8192+1536] != 'b' {
		t.Errorf("saved %d bytes", len(got))
	}
}

func TestHumanSectors(t *testing.T) {
	for sectors, want := range map[int64]string{0: "0.0k", 1: "0.5k", 384: "192.0k", 1999: "999.5k", 2000: "0.9M", 106700: "52.0M", 106702: "52.1M"} {
		if got := humanSectors(sectors); got != want {
			t.Errorf("%d sectors: %s, want %s", sectors, got, want)
		}
	}
}

func TestParseReport(t *testing.T) {
	r := parseReport("early\n@case one\n@registered.a yes\nbcache: run_cache_set() invalidating existing data\nbcache: bch_count_io_errors() error\n@dump.a 0 3 24 8\n@dump.a 2 1 8 0\n@end\n", "")
	c := r.Case("one")
	if !r.Ended || c.Fact("registered.a") != "yes" || c.Map("dump.a")["2"] != "1 8 0" || len(c.Complaints()) != 2 {
		t.Errorf("%+v, complaints %q", c, c.Complaints())
	}
}
