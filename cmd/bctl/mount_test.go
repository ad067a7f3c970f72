// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bctl/internal/lab/imgtest"
)

// needFuse skips a test where nothing can be mounted.
func needFuse(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil || os.Geteuid() != 0 {
		t.Skip("mounting by FUSE needs root and /dev/fuse:", err)
	}
	f.Close()
}

// mounted mounts a volume and calls use with the file's name. It skips where there is no FUSE.
func mounted(t *testing.T, use func(file string), args ...string) {
	t.Helper()
	needFuse(t)
	dir := t.TempDir()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var stderr bytes.Buffer
	var mu sync.Mutex
	done := make(chan int, 1)
	go func() {
		var out bytes.Buffer
		code := run(ctx, append(append([]string{"bctl", "export"}, args...), "--mount", dir), &out, &out)
		mu.Lock()
		stderr.Write(out.Bytes())
		mu.Unlock()
		done <- code
	}()
	file := filepath.Join(dir, "volume")
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			break
		}
		select {
		case code := <-done:
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(stderr.String(), "permitted") {
				t.Skip(stderr.String())
			}
			t.Fatalf("exit %d: %s", code, stderr.String())
		default:
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("no file")
		}
	}
	use(file)
	end()
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("exit %d: %s", code, stderr.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("it is still mounted")
	}
}

// The file is what the kernel read when the image was made, as a whole and at any place of it.
func TestExportMount(t *testing.T) {
	for _, f := range imgtest.All {
		if f.Name != "writeback-crash" && f.Name != "two-backing-flash" {
			continue
		}
		img := imgtest.Open(t, f.Name)
		for _, v := range f.Volumes {
			if v.SHA256 == "" {
				continue
			}
			args := []string{img.Cache, "--volume", fmt.Sprint(v.Inode)}
			if v.Backing != imgtest.NoBacking {
				args = []string{img.Cache, img.Backing[v.Backing]}
			}
			mounted(t, func(file string) {
				whole, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%x", sha256.Sum256(whole)); got != v.SHA256 {
					t.Errorf("%s, volume %d: %s, want %s", f.Name, v.Inode, got, v.SHA256)
				}
				anywhere(t, file, whole)
			}, args...)
		}
	}
}

// anywhere reads a file here and there, by several readers.
func anywhere(t *testing.T, file string, whole []byte) {
	var readers sync.WaitGroup
	for k := range 4 {
		readers.Go(func() {
			r, err := os.Open(file)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			rnd := rand.New(rand.NewPCG(uint64(k), 1))
			for range 100 {
				b := make([]byte, 1+rnd.IntN(1<<18))
				off := rnd.Int64N(int64(len(whole) - len(b)))
				if _, err := r.ReadAt(b, off); err != nil || !bytes.Equal(b, whole[off:off+int64(len(b))]) {
					t.Errorf("%d bytes at %d: %v", len(b), off, err)
					return
				}
			}
		})
	}
	readers.Wait()
	if w, err := os.OpenFile(file, os.O_RDWR, 0); err == nil {
		w.Close()
		t.Error("it can be written to")
	}
}

// The newest root by hand gives the same; a bucket that no entry names is no root.
func TestExportRoot(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash")
	want := bctl("export", img.Cache, img.Backing[0], "-o", "-").Stdout
	r := bctl("export", img.Cache, img.Backing[0], "-o", "-", "--root", "1")
	if r.Code != 8 || !strings.Contains(r.Stderr, "names a root") {
		t.Fatalf("%d: %s", r.Code, r.Stderr)
	}
	var root string
	if _, rest, ok := strings.Cut(r.Stderr, "newest one's is in "); ok {
		root = strings.Fields(rest)[0]
	}
	if r := bctl("export", img.Cache, img.Backing[0], "-o", "-", "--root", root); r.Code != 0 || r.Stdout != want {
		t.Errorf("root %q: exit %d, %d bytes: %s", root, r.Code, len(r.Stdout), r.Stderr)
	}
}
