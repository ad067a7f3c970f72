// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bctl/internal/hint"

	"golang.org/x/sys/unix"
)

// loop attaches an image to a real loop device.
func loop(t *testing.T, path string, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	out, err := exec.Command("losetup", append(args, "-f", "--show", path)...).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device here: %v: %s", err, out)
	}
	node := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "-d", node).CombinedOutput(); err != nil {
			t.Errorf("losetup -d %s: %v: %s", node, err, out)
		}
	})
	return node
}

func TestLoop(t *testing.T) {
	path := image(t, 5<<20)
	for _, c := range []struct {
		args    []string
		logical int
	}{{nil, 512}, {[]string{"--sector-size", "4096"}, 4096}} {
		node := loop(t, path, c.args...)
		r, err := Open(node)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if r.Size() != 5<<20 || r.LogicalBlock() != c.logical || r.PreferredBlock() != c.logical || !r.IsBlock() {
			t.Errorf("size %d, block %d", r.Size(), r.LogicalBlock())
		}
		if fdFlags(t, r.f)&syscall.O_ACCMODE != syscall.O_RDONLY {
			t.Error("a reader has a writable handle")
		}
		if _, err := r.WriteAt([]byte{1}, 0); !errors.Is(err, ErrReadOnly) {
			t.Error(err)
		}
	}
}

func TestLoopExclusive(t *testing.T) {
	path := image(t, 5<<20)
	node := loop(t, path)
	w, err := OpenExclusive(node)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenExclusive(node)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "claimed") {
		t.Errorf("second writer: %v", err)
	}
	if _, err := OpenExclusive(path); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "attached to "+node) {
		t.Errorf("the image under a loop device: %v", err)
	}
	b := bytes.Repeat([]byte("bcache"), 1000)
	if _, err := w.WriteAt(b, 12345); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(b))
	if _, err := w.ReadAt(got, 12345); err != nil || !bytes.Equal(got, b) {
		t.Errorf("read back differs, %v", err)
	}
	r, err := Open(node)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim(node, 0, []*Device{w}); !errors.Is(err, ErrTwice) {
		t.Errorf("one device is two: %v", err)
	}
	r.Close()
	w.Close()
	if w, err = OpenExclusive(node); err != nil {
		t.Fatalf("after close: %v", err)
	}
	w.Close()
}

// Two partitions of a disk can be claimed at a time, by one program.
func TestLoopPartitions(t *testing.T) {
	node := loop(t, image(t, 8<<20))
	for _, start := range []string{"2048", "6144"} {
		if out, err := exec.Command("addpart", node, start[:1], start, "4096").CombinedOutput(); err != nil {
			t.Skipf("no partitions here: %v: %s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("delpart", node, start[:1]).Run() }) // they outlive the loop device
	}
	p1, p2 := partitionNode(t, node, "p2"), partitionNode(t, node, "p6")
	a, err := OpenExclusive(p1)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := claim(p2, 0, []*Device{a})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := claim(node, 0, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("the disk under them: %v", err)
	}
	if other, err := os.Open(node); err != nil {
		t.Error(err)
	} else if err := unix.Flock(int(other.Fd()), unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("the disk is not locked: %v", err)
	}
}

// partitionNode makes a node of our own: where no udev runs, a partition has none.
func partitionNode(t *testing.T, disk, part string) string {
	t.Helper()
	base := filepath.Base(disk)
	n := readNumber(filepath.Join("/sys/block", base, base+part, "dev"))
	node := filepath.Join(t.TempDir(), base+part)
	if err := unix.Mknod(node, unix.S_IFBLK|0o600, int(unix.Mkdev(n.major, n.minor))); err != nil || n == (devnum{}) {
		t.Skipf("no partitions here: %v, %v", n, err)
	}
	return node
}

// A claim alone does not open for writing.
func TestLoopClaim(t *testing.T) {
	node := loop(t, image(t, 1<<20))
	d, err := Claim(node)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if fdFlags(t, d.f)&syscall.O_ACCMODE != syscall.O_RDONLY || d.w != nil {
		t.Error("a claim has a writable handle")
	}
	if _, err := claim(node, 0, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("second claim: %v", err)
	}
	if err := d.Arm(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt([]byte{1}, 0); err != nil {
		t.Error(err)
	}
}

func TestLoopProtected(t *testing.T) {
	node := loop(t, image(t, 1<<20), "-r")
	d, err := Claim(node)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, err := range []error{d.CanWrite(), d.Arm()} {
		if !errors.Is(err, ErrProtected) {
			t.Error(err)
		}
	}
}

// A disk that another program locked, as udev's rules ask for, is in use.
func TestLoopLocked(t *testing.T) {
	node := loop(t, image(t, 1<<20))
	f, err := os.Open(node)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if _, err := claim(node, 0, nil); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "locked") {
		t.Error(err)
	}
}

func TestLoopMounted(t *testing.T) {
	path := image(t, 4<<20)
	if out, err := exec.Command("mke2fs", "-q", "-F", path).CombinedOutput(); err != nil {
		t.Skipf("no filesystem to mount: %v: %s", err, out)
	}
	node, at := loop(t, path), t.TempDir()
	if err := unix.Mount(node, at, "ext2", 0, ""); err != nil {
		if err := unix.Mount(node, at, "ext4", 0, ""); err != nil {
			t.Skip("no mounting here:", err)
		}
	}
	defer func() { _ = unix.Unmount(at, 0) }()
	_, err := OpenExclusive(node)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "mounted on "+at) || hint.Of(err) != "umount "+at {
		t.Error(err)
	}
}
