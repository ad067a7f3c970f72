// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app/apptest"
)

// Every refusal has its exit code, names its reason in one line, and leaves all devices as they were.
func TestFormatRefusals(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int, edits map[int]string) {
		img := make([]byte, size)
		for off, s := range edits {
			copy(img[off:], s)
		}
		if err := os.WriteFile(filepath.Join(dir, name), img, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := plainSuper(3)
	s.Csum = s.Checksum()
	back := plainSuper(1)
	back.Csum = back.Checksum()
	noMagic := *s
	noMagic.Magic[0] = 0
	file("ok", 1<<20, nil)
	file("ok2", 1<<20, nil)
	file("cache", 1<<20, map[int]string{4096: string(s.Append(nil))})
	file("back", 1<<20, map[int]string{4096: string(back.Append(nil))})
	file("nomagic", 1<<20, map[int]string{4096: string(noMagic.Append(nil))})
	file("ext4", 1<<20, map[int]string{1080: "\x53\xef", 1024 + 96: "\x40"})
	file("swap", 1<<20, map[int]string{4086: "SWAPSPACE2"})
	file("gpt", 1<<20, map[int]string{510: "\x55\xaa", 512: "EFI PART", 1<<20 - 512: "EFI PART"})
	file("both", 1<<20, map[int]string{0: "XFSB", 4096: string(s.Append(nil))})
	file("tiny", 8192, nil)
	file("empty", 0, nil)
	file("few", 512*1024+512*511, nil)
	t.Chdir(dir)
	before := map[string]string{}
	names, _ := filepath.Glob("*")
	for _, name := range names {
		before[name] = string(mustRead(t, name))
	}
	for _, c := range []struct {
		args string
		code int
		text string
	}{
		{"-C cache -b 4k -w 512", 8, "cache: it is a bcache cache device already (uuid fe010203-0405-0607-0809-0a0b0c0d0e0f, set ab000000-0000-0000-0000-00000000000c)\nhint: use --wipe-bcache"},
		{"-B back", 8, "back: it is a bcache backing device already"},
		{"-B back --force", 8, "use --wipe-bcache"},
		{"-B nomagic", 8, "nomagic: it is a bcache cache device already"},
		{"-B ext4", 8, "ext4: it holds ext4 at byte 1080\nhint: use --force"},
		{"-B ext4 --wipe-bcache", 8, "use --force"},
		{"-B swap", 8, "swap: it holds swap at byte 4086\nhint: use --force"},
		{"-B gpt", 8, "gpt: it holds mbr at byte 510, gpt at byte 512, gpt copy at byte 1048064\nhint: use --force"},
		{"-B both --wipe-bcache", 8, "it holds xfs at byte 0\nhint: use --force"},
		{"-B both --force", 8, "use --wipe-bcache"},
		{"-C ok", 8, "ok: cache device is too small: 2 buckets, at least 513"},
		{"-C few -b 4k -w 512", 8, "few: cache device is too small: 191 buckets, at least 513"},
		{"-C ok -b 4k", 8, "ok: bucket of fewer than two blocks: block of 8 sectors, bucket of 8"},
		{"-C ok -b 2M", 8, "ok: cache device is too small: 0 buckets"},
		{"-B tiny", 8, "tiny: data offset past the end of the device"},
		{"-B empty", 8, "empty: data offset past the end of the device"},
		{"-C empty", 8, "empty: cache device is too small"},
		{"-B missing", 8, "missing: no such file or directory\nhint: use --size to make an image file"},
		{"-B .", 8, ".: not a block device or an image file: it is a directory"},
		{"-B /dev/null", 8, "/dev/null: not a block device or an image file: it is a character device"},
		{"-B ok -o 2048", 8, "ok: data offset past the end of the device: sector 2048"},
		{"-B ok ok", 8, "ok: given twice"},
		{"-B ok ./ok", 8, "./ok: given twice: ok is the same device"},
		{"-B ok --size 1M", 8, "ok: already exists\nhint: leave --size out"},
		{"-B new ./new --size 1M", 8, "given twice"},
		{"-C new --size 1M", 8, "new: cache device is too small"},
		{"-B new/x --size 1M", 8, "new/x: no such file or directory"},
		// The first device of each is good, and must stay as it is.
		{"-B ok ext4", 8, "ext4: it holds"},
		{"-C ok -b 8k -w 512 -B ok2", 8, "ok: cache device is too small"},
		{"-C ok -b 1k -w 512 -B ok2", 16, "bad bucket size (smaller than page size)"},
		{"-B ok ok2 missing", 8, "missing"},
		{"-B new --size 1M -C ok2", 8, "ok2: already exists"},

		{"", 16, "no device given"},
		{"-C", 16, "--cache: no device given"},
		{"ok", 16, "ok: neither a cache nor a backing device\nhint: say -C (cache) or -B (backing) before the device"},
		{"-C ok ok2", 16, "ok2: a set has one cache device, and ok is it"},
		{"-B ok -b 1.5M", 16, `--bucket: "1.5M" is not a size`},
		{"-B ok -b 512Q", 16, `--bucket: "512Q" is not a size`},
		{"-B ok -b 3k", 16, "--bucket: 3k is not a power of two"},
		{"-B ok -b 256", 16, "--bucket: 256 is smaller than a sector"},
		{"-B ok -w 99999999T", 16, `--block: "99999999T" is too large`},
		{"-B ok -w 8k", 16, "bad block size (larger than page size)"},
		{"-C ok -b 4k -w 4k", 16, "bucket of fewer than two blocks"},
		{"-C ok -b 4G", 16, "bucket too large"},
		{"-C ok -b 2k", 16, "bad bucket size (smaller than page size)"},
		{"-B ok -o 15", 16, "bad data offset"},
		{"-B ok -o 1M", 16, `--data-offset: "1M" is not a number of sectors`},
		{"-B ok -o 99999999999999999999", 16, "data offset past the end"},
		{"-B ok --cset-uuid 1234", 16, `--cset-uuid: "1234" is not a UUID`},
		{"-B ok --cset-uuid {01234567-89ab-cdef-0123-456789abcdef}", 16, "is not a UUID"},
		{"-B ok --cset-uuid 0123456789abcdef0123456789abcdef", 16, "is not a UUID"},
		{"-B ok --cset-uuid 00000000-0000-0000-0000-000000000000", 16, "bad UUID of the set"},
		{"-B ok --uuid 00000000-0000-0000-0000-000000000000", 16, "--uuid: it is zero"},
		{"-B ok --uuid a03ef8ed-3ee1-b878-c850-fc5ecb16cd99", 16, "is what detaching writes"},
		{"-B ok ok2 --uuid 01234567-89ab-cdef-0123-456789abcdef", 16, "--uuid: it is of one device, and 2 are given"},
		{"-B ok -l 123456789012345678901234567890123", 16, "bad label: 33 bytes, at most 32"},
		{"-C ok --cache-replacement-policy mru", 16, `--cache-replacement-policy "mru": not lru, fifo or random`},
		{"-B new --size 0", 16, "--size: 0 is not a number of whole sectors"},
		{"-B new --size 1000", 16, "--size: 1000 is not a number of whole sectors"},
		{"-B new --size big", 16, `--size: "big" is not a size`},
		{"-B ok -U", 16, "unknown flag -U"},
	} {
		for _, name := range []string{"bctl", "make-bcache", "mkfs.bcache"} {
			args := strings.Fields(c.args)
			if name == "bctl" {
				args = append([]string{"format"}, args...)
			}
			r := runAs(name, args...)
			apptest.WantLine(t, name+" "+c.args, r, c.code, c.text)
			if !strings.HasPrefix(r.Stderr, name+": ") {
				t.Errorf("%s %s: said %q", name, c.args, r.Stderr)
			}
		}
	}
	for name, want := range before {
		if string(mustRead(t, name)) != want {
			t.Errorf("%s was changed", name)
		}
	}
	if now, _ := filepath.Glob("*"); len(now) != len(names) {
		t.Errorf("files were made: %q", now)
	}
}
