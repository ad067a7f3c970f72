// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// exitOf is how a process ended: -1 by a signal.
func exitOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

// Whenever a writeback is stopped or killed, no volume reads otherwise than before, fsck finds no damage, and the next
// run ends as if nothing had been. A signal that can be caught ends it with 32.
func TestWritebackKilled(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	img := imgtest.Open(t, "two-backing-flash")
	args := append([]string{"writeback", "--yes", "--clear", "--no-undo"}, img.Paths()...)
	for i, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL, syscall.SIGTERM} {
		cmd := process(t, "bctl", append(args, "-C", "3")...)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = []*os.File{w}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		progress := bufio.NewReader(r)
		for range 3 + i { // it is at work
			if _, err := progress.ReadString('\n'); err != nil {
				break
			}
		}
		time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, progress) // it ends with the process
		r.Close()
		code, want := exitOf(t, cmd.Wait()), app.ExitInterrupted
		if s == syscall.SIGKILL {
			want = -1
		}
		if code != want && code != 0 {
			t.Errorf("%v: exit %d", s, code)
		}
		if i == 0 && code == 0 {
			t.Error("it was over before it was stopped")
		}
		if s == syscall.SIGKILL {
			wantVolumes(t, fmt.Sprint(s), img)
		}
		if r := bctl(append([]string{"fsck"}, img.Paths()...)...); r.Code != 0 {
			t.Errorf("%v: fsck: exit %d\n%s", s, r.Code, r.Stdout)
		}
	}
	if r := bctl(args...); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantWritten(t, img)
}

// wantWritten fails the test unless the backing devices hold what the kernel read of their volumes, and say so.
func wantWritten(t *testing.T, img *imgtest.Image) {
	t.Helper()
	for _, f := range imgtest.All {
		if f.Name != img.Name {
			continue
		}
		paths, sums := backs(img, f)
		for i, path := range paths {
			if sum, state := backingSum(t, path); sum != sums[i] || state != "clean" {
				t.Errorf("%s: %s, state %s; the kernel read %s", path, sum, state, sums[i])
			}
		}
	}
}

// A file that may not grow, or a full disk, is an error before anything is cleared; the next run is whole.
func TestWritebackNoSpace(t *testing.T) {
	img := imgtest.Open(t, "version5")
	cache := imgtest.SumFile(t, img.Cache)
	args := append([]string{"writeback", "--yes", "--clear", "--no-undo"}, img.Paths()...)
	full := process(t, "sh", append([]string{"-c", `trap "" XFSZ; ulimit -f 6000; exec "$0" "$@"`, os.Args[0]}, args...)...)
	full.Path = "/bin/sh"
	out, err := full.CombinedOutput()
	if code := exitOf(t, err); code != app.ExitCannot || !bytes.Contains(out, []byte("file too large")) || !bytes.Contains(out, []byte("run it again")) {
		t.Errorf("exit %d: %s", code, out)
	}
	if imgtest.SumFile(t, img.Cache) != cache {
		t.Error("the cache was written to")
	}
	wantVolumes(t, "no space", img)
	if r := bctl(args...); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantWritten(t, img)
}

// extentsOf are the extents of a cache device.
func extentsOf(t *testing.T, path string) func(yield func(*inspect.Extent) bool) {
	t.Helper()
	return func(yield func(*inspect.Extent) bool) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := superblock.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := inspect.Open(t.Context(), f, s, inspect.Options{Size: sizeOf(t, path), Sink: func(finding.Finding) {}})
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range c.Extents(inspect.Everything) {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(e) {
				return
			}
		}
	}
}

// A cache that is as full as it may be has no room for another tree: clean data make room for it, those that were
// longest unused, and where all is dirty what was copied does. What is undone is as it was.
func TestWritebackFull(t *testing.T) {
	for name, test := range map[string]struct{ dirty, says string }{
		"clean": {"0.01", "longest unused"},
		"dirty": {"1", "no room to keep what was copied"},
	} {
		t.Run(name, func(t *testing.T) {
			cache, _ := generated(t, "--buckets", "870", "--bucket", "8k", "--block", "512", "--extents", "12000", "--dirty-ratio", test.dirty)
			back, want := fullBacking(t, cache)
			undo := filepath.Join(t.TempDir(), "undo")
			before := []string{imgtest.SumFile(t, cache), imgtest.SumFile(t, back)}
			r := bctl("writeback", "--yes", "--clear", "--undo", undo, cache, back)
			if r.Code != 0 || !strings.Contains(r.Stderr, test.says) {
				t.Fatalf("%+v", r)
			}
			all, err := os.ReadFile(back)
			if err != nil {
				t.Fatal(err)
			}
			for at, b := range want {
				if !bytes.Equal(all[at:][:len(b)], b) {
					t.Fatalf("%d bytes at %d are other ones", len(b), at)
				}
			}
			check := bctl("fsck", cache, back)
			if _, state := backingSum(t, back); check.Code != 0 || state != "clean" || !strings.Contains(check.Stdout, "no dirty data") {
				t.Errorf("state %s, fsck %s", state, check.Stdout)
			}
			if name == "dirty" {
				return // it takes long
			}
			lines := regexp.MustCompile(`bctl undo (\S+) (\S+)`).FindAllStringSubmatch(r.Stdout, -1)
			slices.Reverse(lines)
			for _, l := range lines {
				if r := bctl("undo", l[1], l[2]); r.Code != 0 {
					t.Errorf("%+v", r)
				}
			}
			if imgtest.SumFile(t, cache) != before[0] || imgtest.SumFile(t, back) != before[1] {
				t.Error("undone, it is not as before")
			}
		})
	}
}

// fullBacking makes the backing device of a generated cache, and fills the cache's dirty extents: with what should come
// to which place.
func fullBacking(t *testing.T, cache string) (back string, want map[int64][]byte) {
	t.Helper()
	row := strings.Split(strings.Split(bctl("uuid", "list", "--format", "csv", cache).Stdout, "\n")[1], ",")
	var told struct {
		Set string `json:"set_uuid"`
	}
	if err := json.Unmarshal([]byte(bctl("show-super", "--json", cache).Stdout), &told); err != nil {
		t.Fatal(err)
	}
	want = map[int64][]byte{}
	places, end := map[int64][]byte{}, int64(0)
	for e := range extentsOf(t, cache) {
		end = max(end, e.Offset().Bytes())
		if !e.Live || !e.Dirty() {
			continue
		}
		b := make([]byte, e.Size().Bytes())
		for i := range b {
			b[i] = byte(e.Start()) ^ byte(e.Start()>>8) ^ byte(i) | 1
		}
		want[e.Start().Bytes()], places[e.Ptr[0].Offset().Bytes()] = b, b
	}
	f, err := os.OpenFile(cache, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at, b := range places {
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	back = filepath.Join(t.TempDir(), "back.img")
	if err := os.WriteFile(back, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(back, end+4096); err != nil {
		t.Fatal(err)
	}
	if r := bctl("format", "-B", back, "--block", "512", "--uuid", row[2], "--cset-uuid", told.Set); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	editBacking(t, back, func(s *ondisk.Super) { s.SetState(ondisk.StateDirty) })
	return back, want
}

// -C counts up to all of it, and SIGUSR1 says how far it is.
func TestWritebackProgress(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash")
	cmd := process(t, "bctl", append([]string{"writeback", "--yes", "-C", "3"}, img.Paths()...)...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var said bytes.Buffer
	cmd.ExtraFiles, cmd.Stderr = []*os.File{w}, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	lines, most, last := 0, int64(0), int64(-1)
	for s := bufio.NewScanner(r); s.Scan(); lines++ {
		f := strings.Fields(s.Text())
		if len(f) < 4 {
			t.Fatalf("%q", s.Text())
		}
		if n, err := strconv.ParseInt(f[2], 10, 64); err == nil && n > 1<<20 {
			at, _ := strconv.ParseInt(f[1], 10, 64)
			if at < last {
				t.Errorf("%q after %d", s.Text(), last)
			}
			if last, most = at, n; at > n {
				t.Errorf("%q", s.Text())
			}
		}
		_ = cmd.Process.Signal(syscall.SIGUSR1)
	}
	if code := exitOf(t, cmd.Wait()); code != 0 || last != most || lines < 5 {
		t.Errorf("exit %d, %d of %d in %d lines", code, last, most, lines)
	}
	if !strings.Contains(said.String(), "MiB/s, ETA") {
		t.Errorf("SIGUSR1: %q", said.String())
	}
}

// A cut between the keys and the state leaves a device dirty of which the cache holds nothing dirty. That is legal, and
// said as a note at most; the next run ends it.
func TestWritebackCutBetween(t *testing.T) {
	img := imgtest.Open(t, "version5")
	state := imgtest.Read(t, img.Backing[0], ondisk.SuperOffset, ondisk.SuperSize)
	args := append([]string{"writeback", "--yes", "--clear", "--no-undo"}, img.Paths()...)
	if r := bctl(args...); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	imgtest.Write(t, img.Backing[0], ondisk.SuperOffset, state)
	r := bctl(append([]string{"fsck", "--json"}, img.Paths()...)...)
	var told struct {
		Findings []struct{ Code, Severity string }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil || r.Code != 0 {
		t.Errorf("exit %d, %v: %s", r.Code, err, r.Stdout)
	}
	for _, f := range told.Findings {
		if f.Severity == "damage" {
			t.Errorf("%s is called damage", f.Code)
		}
	}
	wantVolumes(t, "cut", img)
	if r := bctl(args...); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantWritten(t, img)
}
