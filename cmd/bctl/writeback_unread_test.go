// SPDX-License-Identifier: GPL-2.0-only

//go:build amd64 || arm64 || riscv64 || s390x || ppc64le || loong64

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/fusefile"
	"bctl/internal/lab/imgtest"
)

// A badCache is a cache device with sectors that cannot be read, some of them only at first.
type badCache struct {
	io.ReaderAt
	bad map[int64]int // how often, by the sector's first byte
}

func (b *badCache) ReadAt(p []byte, off int64) (int, error) {
	for at := off / 512 * 512; at < off+int64(len(p)); at += 512 {
		if b.bad[at] > 0 {
			b.bad[at]--
			return 0, syscall.EIO
		}
	}
	return b.ReaderAt.ReadAt(p, off)
}

// Sectors that the system gives errors for are tried again, listed, and left as they are on the backing device.
func TestWritebackUnread(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash-mid")
	f, err := os.Open(img.Cache)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var dirty []*ondisk.Bkey
	for e := range extentsOf(t, img.Cache) {
		if e.Live && e.Dirty() {
			k := e.Bkey
			dirty = append(dirty, &k)
		}
	}
	lost, late := dirty[3], dirty[len(dirty)/2]
	bad := &badCache{f, map[int64]int{lost.Ptr[0].Offset().Bytes(): 1 << 30, late.Ptr[0].Offset().Bytes(): 3}}
	before := imgtest.Read(t, img.Backing[0], lost.Start().Bytes(), 512)
	failed := filepath.Join(t.TempDir(), "failed.json")
	served(t, bad, sizeOf(t, img.Cache), func(cache string) {
		r := bctl("writeback", "--yes", "--retries", "5", "--failed", failed, cache, img.Backing[0])
		if r.Code != app.ExitDamage {
			t.Errorf("%+v", r)
		}
	})
	list, err := os.ReadFile(failed)
	if err != nil {
		t.Fatal(err)
	}
	sectors := 0
	for line := range strings.Lines(string(list)) {
		var l struct {
			Offset  ondisk.Sector `json:"offset_sectors"`
			Sectors int
			Why     string
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Why != "unread" || l.Offset > lost.Start() || l.Offset+ondisk.Sector(l.Sectors) <= lost.Start() {
			t.Errorf("%q: %v", line, err)
		}
		sectors += l.Sectors
	}
	if sectors == 0 || sectors > 8 { // the system reads pages
		t.Errorf("%d sectors are lost:\n%s", sectors, list)
	}
	if !bytes.Equal(imgtest.Read(t, img.Backing[0], lost.Start().Bytes(), 512), before) {
		t.Error("what could not be read was written")
	}
	// The device reads again, after all.
	if r := bctl("writeback", "--yes", "--clear", "--no-undo", img.Cache, img.Backing[0]); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantWritten(t, img)
}

// served gives use the name of a file that reads as r. It skips where there is no FUSE.
func served(t *testing.T, r io.ReaderAt, size int64, use func(file string)) {
	t.Helper()
	needFuse(t)
	dir := t.TempDir()
	ready, ended := make(chan struct{}), make(chan error, 1)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	go func() {
		ended <- fusefile.Serve(ctx, dir, r, size, fusefile.Options{Ready: func() { close(ready) }})
	}()
	select {
	case <-ready:
	case err := <-ended:
		if errors.Is(err, syscall.EPERM) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	use(filepath.Join(dir, fusefile.Name))
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
