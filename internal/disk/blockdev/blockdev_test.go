// SPDX-License-Identifier: GPL-2.0-only

package blockdev

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func image(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImage(t *testing.T) {
	path := image(t, 10000)
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Size() != 10000 || d.LogicalBlock() != 512 || d.IsBlock() || d.Path() != path || d.PreferredBlock() < 512 {
		t.Errorf("%+v", d)
	}
	b := make([]byte, 4096)
	if n, err := d.ReadAt(b, 8000); n != 2000 || err != io.EOF {
		t.Errorf("read past the end: %d, %v", n, err)
	}
	if _, err := d.WriteAt(b, 0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
	if fdFlags(t, d.f)&syscall.O_ACCMODE != syscall.O_RDONLY {
		t.Error("a reader has a writable handle")
	}
}

func fdFlags(t *testing.T, f *os.File) (flags int) {
	t.Helper()
	err := control(f, func(fd uintptr) error {
		r, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
		if errno != 0 {
			return errno
		}
		flags = int(r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

// Whatever is not a device is refused in one line that says what it is, by readers and writers, without waiting.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	fifo, sock, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "sock"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Skip("no sockets here:", err)
	}
	defer l.Close()
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, text string
		err        error
	}{
		{dir, "it is a directory", ErrNotDevice},
		{fifo, "it is a fifo", ErrNotDevice},
		{sock, "it is a socket", ErrNotDevice},
		{"/dev/null", "it is a character device", ErrNotDevice},
		{link, "no such file", fs.ErrNotExist},
		{filepath.Join(dir, "missing"), "no such file", fs.ErrNotExist},
		{"", "no such file", fs.ErrNotExist},
	} {
		for name, open := range map[string]func(string) (*Device, error){"read": Open, "write": OpenExclusive} {
			d, err := open(c.path)
			if d != nil || !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s %s: %v", name, c.path, err)
			} else if !strings.HasPrefix(err.Error(), c.path+": ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	path := image(t, 512)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

func TestWriter(t *testing.T) {
	path := image(t, 3<<20)
	d, err := OpenExclusive(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := claim(path, 0, nil); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "locked by another program") {
		t.Errorf("second writer: %v", err)
	}
	r, err := Open(path) // readers are not kept out
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := claim(path, 0, []*Device{d}); !errors.Is(err, ErrTwice) {
		t.Errorf("one file, two devices: %v", err)
	}
	fill := bytes.Repeat([]byte{0xaa}, 3<<20)
	if _, err := d.WriteAt(fill, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Zero(100, 2<<20+7); err != nil {
		t.Fatal(err)
	}
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	clear(fill[100 : 100+2<<20+7])
	got := make([]byte, len(fill))
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, fill) {
		t.Errorf("read back differs, %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenExclusive(path)
	if err != nil {
		t.Fatalf("after close: %v", err)
	}
	again.Close()
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	d, err := Create(path, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if d.Size() != 1<<30 {
		t.Errorf("size %d", d.Size())
	}
	if _, err := claim(path, 0, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("not claimed: %v", err)
	}
	d.Close()
	if info, err := os.Stat(path); err != nil || info.Sys().(*syscall.Stat_t).Blocks > 16 {
		t.Errorf("not sparse: %v, %v", info, err)
	}

	empty, full, link := filepath.Join(dir, "empty"), filepath.Join(dir, "full"), filepath.Join(dir, "link")
	for path, text := range map[string]string{empty: "", full: "precious"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("empty", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{full, link, dir, path} {
		if _, err := Create(path, 1<<20); !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(full); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	if d, err = Create(empty, 1<<20); err != nil || d.Size() != 1<<20 {
		t.Fatalf("an empty file: %v", err)
	}
	d.Close()
	if _, err := Create(filepath.Join(dir, "no", "dir"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Create(filepath.Join(dir, "huge"), -1); err == nil {
		t.Error("negative size")
	} else if _, err := os.Stat(filepath.Join(dir, "huge")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what could not be made was left behind")
	}
}
