// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
)

// What make-bcache prints, to the byte.
func TestMakeBcacheOutput(t *testing.T) {
	c, b := blank(t, 600*8<<10), blank(t, 1<<20)
	want := "UUID:\t\t\t@\nSet UUID:\t\t" + setText + "\nversion:\t\t0\nnbuckets:\t\t600\nblock_size:\t\t8\nbucket_size:\t\t16\n" +
		"nr_in_set:\t\t1\nnr_this_dev:\t\t0\nfirst_bucket:\t\t2\n" +
		"UUID:\t\t\t@\nSet UUID:\t\t" + setText + "\nversion:\t\t4\nblock_size:\t\t8\ndata_offset:\t\t32\n"
	for _, name := range []string{"make-bcache", "mkfs.bcache"} {
		r := runAs(name, "-B", b, "-C", c, "-b", "8k", "-o32", "--cset-uuid", setText, "--wipe-bcache")
		if got := newUUID.ReplaceAllString(r.Stdout, "${1}@"); got != want || r.Code != 0 || r.Stderr != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := runAs("make-bcache", "-B", b, "--wipe-bcache", "--uuid", uuidText); !strings.HasPrefix(r.Stdout, "UUID:\t\t\t"+uuidText+"\n") {
		t.Errorf("%+v", r)
	}
}

// newUUID is the one thing that two runs cannot have in common.
var newUUID = regexp.MustCompile(`(?m)^(UUID:\t*)[0-9a-f-]{36}`)

// Side by side with the installed make-bcache: the same output and the same bytes, but for the uuid, and the
// checksum with it.
func TestMakeBcacheLive(t *testing.T) {
	tool := realTool(t, "make-bcache")
	for _, c := range []struct {
		args string
		size int
	}{
		{"-C DEV -b 8k", 8 << 20},
		{"-C DEV -b 8k -w 512", 8 << 20},
		{"-C DEV -b 16384 -w 4096 --discard", 16 << 20},
		{"-b4k -w1k -C DEV", 4 << 20},
		{"-C DEV -b 8K --cache_replacement_policy fifo", 8 << 20},
		{"-C DEV -b 8k --cache-replacement-policy=random --writeback", 8<<20 + 12345},
		{"-B DEV", 1 << 20},
		{"-B DEV --writeback", 1 << 20},
		{"--bdev DEV --data-offset 2048 --block 512", 2 << 20},
		{"-B DEV -o 16 -b 1M", 1 << 20},
		{"-B DEV --data_offset=17", 1 << 20},
		{"-C DEV -b 8k -B DEV2 --writeback -o 32", 8 << 20},
		{"-B DEV DEV2", 1 << 20},
		{"-B DEV -C DEV2 -b 8k", 8 << 20},
	} {
		t.Run(c.args, func(t *testing.T) {
			var stdout [2]string
			var images [2][]byte
			for i := range 2 {
				path, path2 := blank(t, c.size), blank(t, c.size)
				args := strings.Fields(strings.NewReplacer("DEV2", path2, "DEV", path).Replace(c.args) + " --cset-uuid " + setText)
				run := func() apptest.Result { return runAs("make-bcache", args...) }
				if i == 1 {
					run = func() apptest.Result { return theirs(t, tool, args...) }
				}
				r := run()
				if r.Code != 0 {
					t.Fatalf("%d: %+v", i, r)
				}
				stdout[i] = newUUID.ReplaceAllString(r.Stdout, "${1}@")
				for _, p := range []string{path, path2} {
					images[i] = append(images[i], maskUUID(mustRead(t, p), i == 1)...)
				}
			}
			if stdout[0] != stdout[1] {
				t.Errorf("ours:\n%stheirs:\n%s", stdout[0], stdout[1])
			}
			if !bytes.Equal(images[0], images[1]) {
				t.Error("the devices differ")
			}
		})
	}
}

// maskUUID clears the uuid and the checksum, which must fit, of a formatted device. make-bcache's structure is
// shorter than the superblock's 4096 bytes: what was in the rest stays there, and we zero it.
func maskUUID(img []byte, theirs bool) []byte {
	if s, err := ondisk.DecodeSuper(img[4096:8192]); err == nil && s.Magic == ondisk.SuperMagic && s.Csum == s.Checksum() {
		clear(img[4096:4104])
		clear(img[4096+40 : 4096+56])
		if theirs {
			clear(img[4096+208+8*ondisk.JournalBuckets : 8192])
		}
	}
	return img
}

// loopDevice attaches an image to a real block device.
func loopDevice(t *testing.T, path string, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	out, err := exec.Command("losetup", append(args, "-f", "--show", path)...).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device here: %v: %s", err, out)
	}
	node := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", node).Run() })
	return node
}

func TestFormatBlockDevice(t *testing.T) {
	c, b := loopDevice(t, blank(t, 8<<20)), loopDevice(t, blank(t, 8<<20), "--sector-size", "4096")
	if r := bctl("format", "-C", c, "-b", "8k", "-n"); r.Code != 0 || strings.Contains(r.Stderr, "udev") {
		t.Errorf("dry run: %+v", r)
	}
	if r := bctl("format", "-C", c, "-b", "8k", "-w", "512"); r.Code != 0 || !strings.Contains(r.Stderr, c+": when it is closed, udev looks at it") {
		t.Errorf("%+v", r)
	}
	if o, _ := showJSON(t, c); o["nbuckets"] != 1024.0 || o["block_sectors"] != 1.0 {
		t.Errorf("%v", o)
	}
	// One set takes the larger of the two logical blocks.
	if r := bctl("format", "-C", c, "-b", "8k", "-B", b, "--wipe-bcache"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	for _, node := range []string{c, b} {
		if o, _ := showJSON(t, node); o["block_sectors"] != 8.0 {
			t.Errorf("%s: %v", node, o)
		}
	}
	if r := bctl("format", "-B", b, "-w", "512", "--wipe-bcache"); r.Code != app.ExitCannot || !strings.Contains(r.Stderr, "block size smaller than device block size") {
		t.Errorf("%+v", r)
	}
	tool := realTool(t, "bcache-super-show")
	for _, node := range []string{c, b} {
		if got, want := said("", runAs("bcache-super-show", node)), said("", theirs(t, tool, node)); got != want {
			t.Errorf("ours:\n%stheirs:\n%s", got, want)
		}
	}
}

// A device in use is refused by all names, with what holds it, and not a byte of it changes.
func TestFormatInUse(t *testing.T) {
	img := blank(t, 8<<20)
	node := loopDevice(t, img)
	r := bctl("format", "-B", img)
	apptest.WantLine(t, "image under a loop device", r, app.ExitCannot, img+": in use: attached to "+node)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(node, link); err != nil {
		t.Fatal(err)
	}
	apptest.WantLine(t, "one device twice", bctl("format", "-B", node, link), app.ExitCannot, link+": given twice")

	if out, err := exec.Command("mke2fs", "-q", "-F", node).CombinedOutput(); err != nil {
		t.Skipf("no filesystem to mount: %v: %s", err, out)
	}
	at := t.TempDir()
	if err := syscall.Mount(node, at, "ext2", syscall.MS_RDONLY, ""); err != nil {
		if err := syscall.Mount(node, at, "ext4", syscall.MS_RDONLY, ""); err != nil {
			t.Skip("no mounting here:", err)
		}
	}
	defer func() { _ = syscall.Unmount(at, 0) }()
	before := mustRead(t, img)
	for _, args := range [][]string{{"-B", node}, {"-C", node, "-b", "8k", "--force", "--wipe-bcache"}, {"-B", node, "-n", "--force"}} {
		apptest.WantLine(t, strings.Join(args, " "), bctl(append([]string{"format"}, args...)...), app.ExitCannot, node+": in use: mounted on "+at+"\nhint: umount "+at)
		apptest.WantLine(t, strings.Join(args, " "), runAs("mkfs.bcache", args...), app.ExitCannot, "umount")
	}
	if !bytes.Equal(mustRead(t, img), before) {
		t.Error("it was changed")
	}
}

// What cannot be written is refused before the first device is written.
func TestFormatProtected(t *testing.T) {
	good, img := blank(t, 1<<20), blank(t, 1<<20)
	node := loopDevice(t, img, "-r")
	for _, flag := range []string{"--force", "--dry-run"} {
		apptest.WantLine(t, flag, bctl("format", "-B", good, node, flag), app.ExitCannot, node+": write-protected")
	}
	if b := mustRead(t, good); binary.LittleEndian.Uint64(b) != 0xa5a5a5a5a5a5a5a5 {
		t.Error("the first device was written before the second could be opened for writing")
	}
}
