// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

const (
	setText  = "01234567-89ab-cdef-0123-456789abcdef"
	uuidText = "fedcba98-7654-3210-fedc-ba9876543210"
)

// blank is an image of bytes that are no signature of anything, and not zero.
func blank(t *testing.T, size int) string {
	t.Helper()
	return rawImage(t, bytes.Repeat([]byte{0xa5}, size))
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func superOf(t *testing.T, path string) *ondisk.Super {
	t.Helper()
	s, err := superblock.Read(bytes.NewReader(mustRead(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A cache and two backing devices in one call are one set; of each, nothing but the first 8 KiB changes.
func TestFormatSet(t *testing.T) {
	const size = 600 * 8 << 10
	c, b1, b2 := blank(t, size), blank(t, size), blank(t, size)
	r := bctl("format", "-C", c, "-B", b1, "--writeback", b2, "-b", "8k", "-o", "64", "-l", "home", "--discard", "--cache-replacement-policy=fifo")
	if r.Code != 0 || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	set := superOf(t, c).SetUUID
	for i, path := range []string{c, b1, b2} {
		s, img := superOf(t, path), mustRead(t, path)
		if s.SetUUID != set || s.BlockSize != 8 || s.BucketSize != 16 || superblock.Label(s.Label) != "home" {
			t.Errorf("%s: %+v", path, s)
		}
		if !bytes.Equal(img[:4096], make([]byte, 4096)) {
			t.Errorf("%s: the start is not zero", path)
		}
		if !bytes.Equal(img[8192:], bytes.Repeat([]byte{0xa5}, size-8192)) {
			t.Errorf("%s: more was written than a superblock", path)
		}
		if i == 0 {
			if s.Version != 0 || s.Nbuckets != 600 || s.FirstBucket != 2 || !s.Discard() || s.Replacement() != ondisk.FIFO || s.Sync() {
				t.Errorf("cache: %+v", s)
			}
		} else if s.Version != 4 || s.Nbuckets != 64 || s.CacheMode() != ondisk.Writeback || s.State() != ondisk.StateNone {
			t.Errorf("backing: %+v", s)
		}
		for _, word := range []string{path, s.UUID.String(), s.SetUUID.String()} {
			if !strings.Contains(r.Stdout, word) {
				t.Errorf("the summary has no %s:\n%s", word, r.Stdout)
			}
		}
	}
	if superOf(t, b1).UUID == superOf(t, b2).UUID {
		t.Error("two devices, one uuid")
	}
}

func TestFormatSpellings(t *testing.T) {
	for _, words := range []string{
		"format -C DEV -b 8k --cset-uuid SET --uuid UUID",
		"format DEV -b8k --cset-uuid=SET --uuid=UUID -C DEV",
		"format --cache DEV --bucket 8192 --cset-uuid SET --uuid UUID",
		"format --cache=DEV --bucket=8K --block=4k --cset-uuid SET --uuid UUID",
		"--json format --uuid UUID -w 4096 --cset-uuid SET -b 8k -C -- DEV",
		"format --uuid UUID --cset-uuid SET -b 8k --cache_replacement_policy lru -C DEV",
	} {
		path := blank(t, 600*8<<10)
		words = strings.NewReplacer("format DEV", "format", "SET", setText, "UUID", uuidText).Replace(strings.ReplaceAll(words, "--uuid", "--u@"))
		args := strings.Fields(strings.NewReplacer("--u@", "--uuid", "DEV", path).Replace(words))
		if r := bctl(args...); r.Code != 0 {
			t.Errorf("%q: %+v", args, r)
			continue
		}
		if s := superOf(t, path); s.UUID.String() != uuidText || s.SetUUID.String() != setText || s.Nbuckets != 600 || s.BlockSize != 8 {
			t.Errorf("%q: %+v", args, s)
		}
	}
}

func TestFormatWipe(t *testing.T) {
	s := plainSuper(3)
	s.Csum = s.Checksum()
	img := make([]byte, 600*8<<10)
	copy(img[4096:], s.Append(nil))
	path := rawImage(t, img)
	if r := bctl("format", "-C", path, "-b", "8k", "--wipe-bcache"); r.Code != 0 || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	if now := superOf(t, path); now.UUID == s.UUID || now.SetUUID == s.SetUUID || now.Version != 0 {
		t.Errorf("%+v", now)
	}
}

// --force erases what would make the device two things; but not what may be the volume's own.
func TestFormatForce(t *testing.T) {
	const size = 600 * 8 << 10
	edit := func() []byte {
		img := bytes.Repeat([]byte{0xa5}, size)
		copy(img[1024:], make([]byte, 512))
		copy(img[1080:], "\x53\xef")
		copy(img[16384-10:], "SWAPSPACE2")
		copy(img[65600:], "_BHRfS_M")
		copy(img[size-512:], "EFI PART")
		return img
	}
	cache := rawImage(t, edit())
	r := bctl("format", "-C", cache, "-b", "8k", "--force")
	if r.Code != 0 || !strings.Contains(r.Stderr, "erased btrfs at byte 65600") || !strings.Contains(r.Stderr, "erased gpt copy") {
		t.Errorf("%+v", r)
	}
	want := edit()
	clear(want[:8192])
	clear(want[16384-10 : 16384])
	clear(want[65600:65608])
	clear(want[size-512 : size-512+8])
	if got := mustRead(t, cache); !bytes.Equal(got[8192:], want[8192:]) {
		t.Error("cache: not only the magics were erased")
	}
	back := rawImage(t, edit())
	r = bctl("format", "-B", back, "-o", "64", "--force")
	if r.Code != 0 || !strings.Contains(r.Stderr, "erased swap at byte 16374") || !strings.Contains(r.Stderr, "btrfs at byte 65600 was left") {
		t.Errorf("%+v", r)
	}
	want = edit()
	clear(want[16384-10 : 16384])
	if got := mustRead(t, back); !bytes.Equal(got[8192:], want[8192:]) {
		t.Error("backing: the volume's data was touched")
	}
}

// A cache formatted again into its old set must not meet its old journal.
func TestFormatSameSetAgain(t *testing.T) {
	const size = 600 * 8 << 10
	for _, kept := range []bool{true, false} { // the old superblock
		img := bytes.Repeat([]byte{0xa5}, size)
		s := plainSuper(3)
		copy(s.SetUUID[:], "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef")
		s.Csum = s.Checksum()
		args := []string{"--cset-uuid", setText}
		if kept {
			copy(img[4096:], s.Append(nil))
		} else {
			copy(img[5*8<<10+4096:], (&ondisk.Jset{Magic: s.SetMagic() ^ 0x245235c1a3625032}).Append(nil))
		}
		path := rawImage(t, img)
		if r := bctl(append([]string{"format", "-C", path, "-b", "8k"}, args...)...); r.Code != app.ExitCannot || !strings.Contains(r.Stderr, "use --wipe-bcache") {
			t.Errorf("%+v", r)
		}
		r := bctl(append([]string{"format", "-C", path, "-b", "8k", "--wipe-bcache"}, args...)...)
		if r.Code != 0 || !strings.Contains(r.Stderr, "erased old journal") {
			t.Fatalf("%+v", r)
		}
		got := mustRead(t, path)
		if !bytes.Equal(got[2*8<<10:6*8<<10], make([]byte, 4*8<<10)) { // max(600 / 128, 2) buckets from bucket 2 on
			t.Error("the journal is not zero")
		}
		if !bytes.Equal(got[6*8<<10:], img[6*8<<10:]) {
			t.Error("more than the journal was erased")
		}
	}
}

func TestFormatSize(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("back", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := bctl("format", "-C", "cache", "-B", "back", "--size", "300M", "--json")
	if r.Code != 0 || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	var o struct {
		FormatVersion int    `json:"format_version"`
		DryRun        bool   `json:"dry_run"`
		SetUUID       string `json:"set_uuid"`
		Devices       []map[string]any
	}
	if err := json.Unmarshal([]byte(r.Stdout), &o); err != nil || o.FormatVersion != 1 || o.DryRun || len(o.Devices) != 2 {
		t.Fatalf("%v: %s", err, r.Stdout)
	}
	c, b := o.Devices[0], o.Devices[1]
	if c["device"] != "cache" || c["type"] != "cache" || c["nbuckets"] != 600.0 || c["bucket_sectors"] != 1024.0 || c["block_sectors"] != 8.0 ||
		c["size_bytes"] != float64(300<<20) || c["set_uuid"] != o.SetUUID || c["cache_mode"] != nil {
		t.Errorf("%v", c)
	}
	if b["device"] != "back" || b["type"] != "backing" || b["data_offset_sectors"] != 16.0 || b["nbuckets"] != nil || b["cache_mode"] != "writethrough" {
		t.Errorf("%v", b)
	}
	for _, name := range []string{"cache", "back"} {
		if info, err := os.Stat(name); err != nil || info.Size() != 300<<20 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if r := bctl("show-super", name); r.Code != 0 {
			t.Errorf("%+v", r)
		}
	}
}

// Buckets above 16 MiB are version 5, and others where it is asked for; the backing device stays as it was before there
// were any.
func TestFormatLargeBuckets(t *testing.T) {
	for _, c := range []struct {
		args    []string
		sectors float64
	}{
		{[]string{"--size", "20G", "-b", "32M"}, 65536},
		{[]string{"--size", "4200M", "-b", "8M", "--large-bucket"}, 16384},
		{[]string{"--size", "4200M", "-b", "8M", "--large-bucket", "--init"}, 16384},
	} {
		t.Chdir(t.TempDir())
		r := bctl(append([]string{"format", "-C", "cache", "-B", "back"}, c.args...)...)
		if r.Code != 0 {
			t.Skip("no sparse files here:", r.Stderr)
		}
		o, _ := showJSON(t, "cache")
		if f, ok := o["features"].([]any); o["version"] != 5.0 || o["bucket_sectors"] != c.sectors || !ok || len(f) != 1 || f[0] != "large_bucket" {
			t.Errorf("%v: %v", c.args, o)
		}
		if o, _ := showJSON(t, "back"); o["version"] != 1.0 {
			t.Errorf("%v: %v", c.args, o)
		}
	}
	if r := bctl("format", "-B", "other", "--size", "64M", "--large-bucket"); r.Code != app.ExitUsage || !strings.Contains(r.Stderr, "--large-bucket has no effect") {
		t.Errorf("%+v", r)
	}
}

func TestFormatDryRun(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("img", bytes.Repeat([]byte{0xa5}, 1<<20), 0o400); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat("img")
	for _, args := range [][]string{{"-B", "img", "-n"}, {"-B", "img", "--dry-run", "--json"}, {"-C", "new", "-B", "new2", "--size", "1G", "--dry-run"}} {
		if r := bctl(append([]string{"format"}, args...)...); r.Code != 0 || !strings.Contains(r.Stdout, setUUIDKey(args)) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := bctl("format", "-C", "img", "-n"); r.Code != app.ExitCannot {
		t.Errorf("a dry run does not check: %+v", r)
	}
	now, err := os.Stat("img")
	if err != nil || !now.ModTime().Equal(info.ModTime()) || !bytes.Equal(mustRead(t, "img"), bytes.Repeat([]byte{0xa5}, 1<<20)) {
		t.Error("a dry run wrote")
	}
	if names, _ := filepath.Glob("*"); len(names) != 1 {
		t.Errorf("a dry run made %q", names)
	}
}

func setUUIDKey(args []string) string {
	if args[len(args)-1] == "--json" {
		return `"dry_run": true`
	}
	return "set uuid"
}

// A flag that cannot do anything is not silently ignored.
func TestFormatIdleFlags(t *testing.T) {
	for flag, kind := range map[string]string{"--discard": "-B", "--cache-replacement-policy=fifo": "-B", "--writeback": "-C", "--data-offset=32": "-C", "--discard-dirty": "-C"} {
		path := blank(t, 600*8<<10)
		name, _, _ := strings.Cut(flag, "=")
		if r := bctl("format", kind, path, "-b", "8k", flag); r.Code != app.ExitUsage || !strings.Contains(r.Stderr, name+" has no effect") {
			t.Errorf("%s: %+v", flag, r)
		}
	}
}

func TestFormatInterrupted(t *testing.T) {
	path := blank(t, 1<<20)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"bctl", "format", "-B", path}, &out, &errs); code != app.ExitInterrupted || out.Len() > 0 {
		t.Errorf("exit %d, %q, %q", code, out.String(), errs.String())
	}
	if !bytes.Equal(mustRead(t, path), bytes.Repeat([]byte{0xa5}, 1<<20)) {
		t.Error("it was written")
	}
}

// What somebody may still need is not overwritten unasked: dirty data in a cache, also one that lost its superblock, and
// a backing device that waits for some. It is said how much, of which volumes; and all of it can be taken back.
func TestFormatEvidence(t *testing.T) {
	apptest.StateIn(t)
	img := imgtest.Open(t, "writeback-crash")
	const volume = "376fb2fd-22a9-4bfd-a0e3-15db4d4276c2"
	cache := superOf(t, img.Cache)
	lost := imgtest.Open(t, "writeback-crash").Cache
	imgtest.Write(t, lost, 4096, make([]byte, 4096))
	inSet := []string{"--cset-uuid", cache.SetUUID.String()}
	for _, c := range []struct {
		kind, path string
		args       []string
		says       []string
	}{
		{"-C", img.Cache, nil, []string{"it is a bcache cache device already (uuid " + cache.UUID.String(), "KiB of volume 0 " + volume, "--wipe-bcache", "--discard-dirty"}},
		{"-C", img.Cache, []string{"--wipe-bcache"}, []string{"is dirty and stands nowhere else", "--discard-dirty"}},
		{"-B", img.Cache, []string{"--wipe-bcache"}, []string{"is dirty and stands nowhere else", "--discard-dirty"}},
		{"-B", img.Backing[0], []string{"--wipe-bcache"}, []string{"bcache backing device already", "its state is dirty: the cache of set " + cache.SetUUID.String(), "--discard-dirty"}},
		{"-C", lost, append([]string{"-b", "64k"}, inSet...), []string{"whether it holds dirty data is unknown", "--discard-dirty"}},
		{"-C", lost, append([]string{"-b", "128k"}, inSet...), []string{"it holds the journal of a cache of set " + cache.SetUUID.String(), "KiB of volume 0 " + volume, "--discard-dirty"}},
	} {
		sum := imgtest.SumFile(t, c.path)
		args := append([]string{"format", c.kind, c.path}, c.args...)
		for _, more := range [][]string{nil, {"-n"}, {"--force"}} {
			r := bctl(append(args, more...)...)
			apptest.WantLine(t, fmt.Sprint(c.kind, c.path, c.args, more), r, app.ExitCannot, c.says...)
		}
		if imgtest.SumFile(t, c.path) != sum {
			t.Fatalf("%s: a refused device was written", c.path)
		}
		args = append([]string{"format", c.kind, c.path, "--wipe-bcache", "--discard-dirty"}, inSet...)
		if c.kind == "-C" {
			args = append(args, "-b", "128k", "--init")
		}
		r := bctl(append(args, "-n")...)
		if r.Code != 0 || !strings.Contains(r.Stderr, "would erase") || !strings.Contains(r.Stdout, cache.SetUUID.String()) || imgtest.SumFile(t, c.path) != sum {
			t.Errorf("%s: %+v", c.path, r)
		}
		r = bctl(args...)
		if r.Code != 0 || !strings.Contains(r.Stdout, "to take it back: bctl undo ") || imgtest.SumFile(t, c.path) == sum {
			t.Errorf("%s: %+v", c.path, r)
		}
		if r := bctl("undo", c.path); r.Code != 0 || imgtest.SumFile(t, c.path) != sum {
			t.Errorf("%s: not everything is back: %+v", c.path, r)
		}
	}
}

// A dry run shows no uuids that will not be used, and what goes.
func TestFormatDryRunUUIDs(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	old := superOf(t, img.Cache)
	var o struct {
		SetUUID *string `json:"set_uuid"`
		Devices []struct {
			UUID     *string
			SetUUID  *string `json:"set_uuid"`
			Replaces *struct {
				Kind, UUID string
				Dirty      []any
			}
		}
	}
	r := bctl("format", "-n", "--json", "-b", "128k", "-C", img.Cache, "--wipe-bcache")
	if err := json.Unmarshal([]byte(r.Stdout), &o); err != nil || len(o.Devices) != 1 || o.SetUUID != nil || o.Devices[0].UUID != nil || o.Devices[0].SetUUID != nil {
		t.Fatalf("%v, %+v", err, r)
	}
	if was := o.Devices[0].Replaces; was == nil || was.Kind != "cache" || was.UUID != old.UUID.String() || len(was.Dirty) != 0 {
		t.Errorf("%+v", was)
	}
	r = bctl("format", "-n", "-b", "128k", "-C", img.Cache, "--wipe-bcache", "--uuid", uuidText)
	if r.Code != 0 || !strings.Contains(r.Stdout, uuidText) || !strings.Contains(r.Stdout, old.UUID.String()) || strings.Count(r.Stdout, "-4") > 2 {
		t.Errorf("%+v", r)
	}
}

func TestFormatPlaces(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"-B /dev/bcache0", "bcache's own"},
		{"-C /dev/bcache/by-label/x", "bcache's own"},
		{"-B /dev/bcache7p1 --size 1M", "bcache's own"},
		{"-B /dev/no-such-disk --size 1M", "no image file is made under /dev"},
		{"-B new --size 1M -o 17", "no multiple of the block"},
		{"-B new --size 1M -o 17 -w 4k", "no multiple of the block"},
	} {
		t.Chdir(t.TempDir())
		apptest.WantLine(t, c.args, bctl(append([]string{"format"}, strings.Fields(c.args)...)...), app.ExitCannot, c.says)
		if names, _ := filepath.Glob("*"); len(names) > 0 {
			t.Errorf("%s: made %q", c.args, names)
		}
	}
	if r := bctl("format", "-B", filepath.Join(t.TempDir(), "new"), "--size", "1M", "-o", "17", "-w", "512"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
}
