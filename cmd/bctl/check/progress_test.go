// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"context"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/internal/lab/imgtest"
)

// The descriptor of -C is the caller's: it gets the lines, and stays open whatever the collector does.
func TestProgressDescriptorStaysOpen(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		got <- string(b)
	}()
	var fd string
	raw, err := w.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = strconv.Itoa(int(n)) })
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := app.Solo(FsckBcacheCommand)(context.Background(), []string{"fsck.bcache", "-C", fd, img.Cache}, io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.GC()
	}
	if _, err := io.WriteString(w, "still open\n"); err != nil {
		t.Errorf("the descriptor was closed: %v", err)
	}
	w.Close()
	if text := <-got; !strings.Contains(text, img.Cache) || !strings.HasSuffix(text, "still open\n") {
		t.Errorf("it got %q", text)
	}
	err = app.Solo(FsckBcacheCommand)(context.Background(), []string{"fsck.bcache", "-C", "987654", img.Cache}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-C 987654") {
		t.Errorf("a descriptor that is none: %v", err)
	}
}
