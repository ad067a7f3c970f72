// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/imgtest"

	"github.com/klauspost/compress/zstd"
)

// shown are the commands that look at a cache, and must say the same of its image.
var shown = [][]string{
	{"fsck"},
	{"show-super"},
	{"show-buckets"},
	{"show-buckets", "--summary"},
	{"show-prios"},
	{"show-uuids"},
	{"show-journal"},
	{"show-extents"},
	{"alloc-bench", "--ops", "500"},
}

// named are the parts of the JSON that differ in a sanitized image: names, and checksums, of which magics are a part.
var named = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]{9,16}|"label": ?"[^"]*"|"[a-z_]*(csum|checksum|magic)": ?"?[0-9a-f]+"?`)

// timed is how fast it went.
var timed = regexp.MustCompile(`"allocations_per_second":[^,]*,"latency_ns":{[^}]*},`)

func say(args []string, device, as string, masked bool) string {
	r := bctl(append(append([]string{args[0], "--json"}, args[1:]...), device)...)
	out := timed.ReplaceAllString(strings.ReplaceAll(r.Stdout, as, "CACHE"), "")
	if masked {
		out = named.ReplaceAllString(out, "NAME")
	}
	return out
}

// Of each image that a kernel made every command prints the same as of its metadata image, but for names; as it is and
// restored. The metadata image is about as small as zstd makes the same bytes.
func TestImage(t *testing.T) {
	for _, name := range imgtest.AllNames(t) {
		img := imgtest.Open(t, name)
		dir := t.TempDir()
		for _, raw := range []bool{true, false} {
			file := filepath.Join(dir, "sanitized.bimg")
			args := []string{"image", img.Cache, "-o", file}
			if raw {
				file = filepath.Join(dir, "raw.bimg")
				args = []string{"image", img.Cache, "-o", file, "--no-sanitize"}
			}
			for _, b := range img.Backing {
				args = append(args, "--with", b)
			}
			if r := bctl(args...); r.Code != 0 || r.Stdout != "" {
				t.Fatalf("%s: %+v", name, r)
			}
			if raw && name != "writeback-dirty" && name != "two-backing-flash" {
				continue // internal/image has the rest
			}
			for _, c := range shown {
				got, want := say(c, file, file, !raw), say(c, img.Cache, img.Cache, !raw)
				if got != want {
					t.Errorf("%s, raw %v, %q: the image\n%.800s\nthe device\n%.800s", name, raw, c, got, want)
				}
			}
			for i, b := range img.Backing {
				part := file + "#" + string(rune('1'+i))
				if got, want := say([]string{"show-super"}, part, part, !raw), say([]string{"show-super"}, b, b, !raw); got != want || got == "" {
					t.Errorf("%s: %s", part, got)
				}
			}
			small(t, file)
		}
	}
}

// small compares the size of an image with what zstd -3 makes of the same bytes: at most a tenth more.
func small(t *testing.T, file string) {
	t.Helper()
	packed, plain := unpacked(t, file)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		t.Fatal(err)
	}
	want := len(enc.EncodeAll(plain, nil))
	cmd := exec.Command("zstd", "-3", "-c")
	cmd.Stdin = bytes.NewReader(plain)
	if out, err := cmd.Output(); err == nil {
		want = len(out)
	}
	if most := want * 11 / 10; len(packed) > most {
		t.Errorf("%s: %d bytes, at most %d", file, len(packed), most)
	}
}

// An image is not written to; what it is restored to can be repaired, and the restoring taken back.
func TestImageRestore(t *testing.T) {
	apptest.StateIn(t)
	img := imgtest.Open(t, "writeback-dirty")
	dir := t.TempDir()
	file, practice, zeroes := filepath.Join(dir, "c.bimg"), filepath.Join(dir, "practice.img"), filepath.Join(dir, "zeroes.img")
	if r := bctl("image", img.Cache, "-o", file); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	r := bctl("rewrite-prios", file)
	apptest.WantLine(t, "writing to an image", r, 8, file, "metadata image", "--restore")
	if r := bctl("rewrite-prios", "--dry-run", file); r.Code != 0 {
		t.Errorf("planning on an image: %+v", r)
	}
	if r := bctl("image", "--restore", file, practice); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := bctl("rewrite-prios", practice); r.Code != 0 {
		t.Errorf("practising: %+v", r)
	}
	want := say([]string{"fsck"}, file, file, false)
	if err := os.WriteFile(zeroes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := bctl("image", "--restore", file, zeroes); r.Code != 8 || !strings.Contains(r.Stderr, "sectors") {
		t.Errorf("another size: %+v", r)
	}
	if err := os.Truncate(zeroes, sizeOf(t, img.Cache)); err != nil {
		t.Fatal(err)
	}
	before := imgtest.SumFile(t, zeroes)
	if r := bctl("image", "--restore", file, zeroes); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	if got := say([]string{"fsck"}, zeroes, zeroes, false); got != want {
		t.Errorf("restored:\n%s\nthe image\n%s", got, want)
	}
	if r := bctl("undo", zeroes); r.Code != 0 || imgtest.SumFile(t, zeroes) != before {
		t.Errorf("%+v", r)
	}
	if r := bctl("image", "--restore", img.Cache, zeroes); r.Code != 8 {
		t.Errorf("no image: %+v", r)
	}
	if r := bctl("export", file, "--volume", "0", "-o", "-"); r.Code == 0 {
		t.Error("data came out of an image")
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestImageUsage(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	for args, code := range map[string]int{
		"": 16, "CACHE": 16, "CACHE CACHE -o -": 16, "--restore CACHE": 16, "--restore CACHE x -o y": 16, "CACHE -o - --undo x": 16,
		"CACHE --with CACHE -o -": 8,
	} {
		line := strings.Fields(strings.ReplaceAll(args, "CACHE", img.Cache))
		if r := bctl(append([]string{"image"}, line...)...); r.Code != code || r.Stdout != "" {
			t.Errorf("%q: exit %d, want %d: %s", args, r.Code, code, r.Stderr)
		}
	}
}

// Restored over the devices that it was made of, an image touches no data: the volumes read as the kernel read them.
func TestImageRestoreKeepsData(t *testing.T) {
	for _, f := range imgtest.All {
		if f.Name != "detached-reattached" && f.Name != "discard-random" && f.Name != "read-misses" && f.Name != "version5" {
			continue
		}
		img := imgtest.Open(t, f.Name)
		file := filepath.Join(t.TempDir(), "c.bimg")
		if r := bctl("image", img.Cache, "-o", file, "--with", img.Backing[0]); r.Code != 0 {
			t.Fatalf("%+v", r)
		}
		for from, to := range map[string]string{file: img.Cache, file + "#1": img.Backing[0]} {
			if r := bctl("image", "--restore", "--no-undo", from, to); r.Code != 0 {
				t.Fatalf("%+v", r)
			}
		}
		without := []uint32(nil)
		if f.Name == "detached-reattached" {
			without = []uint32{0, 1} // of no slot
		}
		wantVolumes(t, f.Name, img, without...)
	}
}
