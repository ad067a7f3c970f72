// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bctl/internal/disk/plan"
	"bctl/internal/hint"
	"bctl/internal/lab/powercut"
)

// A watchedDevice notes what is done to it, and lets one thing fail.
type watchedDevice struct {
	*powercut.Device
	events *[]string
	fail   string
}

var errWatched = errors.New("it fails")

func (d *watchedDevice) do(what string) error {
	*d.events = append(*d.events, what)
	if d.fail == what {
		return errWatched
	}
	return nil
}

func (d *watchedDevice) Path() string  { return "/dev/watched" }
func (d *watchedDevice) IsBlock() bool { return true }
func (d *watchedDevice) CanWrite() error {
	return d.do("can write")
}
func (d *watchedDevice) Arm() error { return d.do("arm") }

func (d *watchedDevice) WriteAt(b []byte, off int64) (int, error) {
	if err := d.do("write"); err != nil {
		return 0, err
	}
	return d.Device.WriteAt(b, off)
}

func (d *watchedDevice) Sync() error {
	if err := d.do("flush"); err != nil {
		return err
	}
	return d.Device.Sync()
}

// watchedRun carries a plan of two steps out on a device whose events are noted, with those of the undo file.
func watchedRun(t *testing.T, fail string, o Options) (events, notes []string, err error) {
	t.Helper()
	dev := &watchedDevice{powercut.New(bytes.NewReader(make([]byte, 8192)), 8192), &events, fail}
	p := new(plan.Plan)
	p.Then(plan.Write{Off: 0, Data: bytes.Repeat([]byte{1}, 512)})
	p.Then(plan.Write{Off: 4096, Data: bytes.Repeat([]byte{2}, 512)})
	o.Command = "probe"
	o.Note = func(s string) { notes = append(notes, s) }
	o.sync = func(f *os.File) error {
		what := "undo file synced"
		if info, err := f.Stat(); err == nil && info.IsDir() {
			what = "its directory synced"
		} else if f, err := os.Open(f.Name()); err != nil {
			t.Error(err)
		} else if info, err := f.Stat(); err != nil {
			t.Error(err)
		} else if _, err := plan.OpenUndo(f, info.Size()); err != nil {
			t.Errorf("synced before it is whole: %v", err)
		}
		return errors.Join(dev.do(what), f.Sync())
	}
	prove := func(after io.ReaderAt) error {
		b := make([]byte, 8192)
		if n, err := after.ReadAt(b, 0); n != len(b) || b[0] != 1 || b[4096] != 2 {
			t.Errorf("proved over something else: %d, %v", n, err)
		}
		return dev.do("prove")
	}
	_, err = Run(t.Context(), o, Stage{Dev: dev, Plan: p, Prove: prove})
	return events, notes, err
}

func stateIn(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	t.Setenv("BCTL_STATE_DIR", dir)
	return dir
}

// undoFiles are the files in a directory, which may not be there yet.
func undoFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, filepath.Join(dir, e.Name()))
	}
	return names
}

// The undo file is whole and on its medium, and so is its name and that of the folder made for it, before the device is even opened for writing.
func TestUndoFileComesFirst(t *testing.T) {
	dir := stateIn(t)
	events, notes, err := watchedRun(t, "", Options{})
	want := []string{"prove", "can write", "its directory synced", "undo file synced", "its directory synced", "arm", "write", "flush", "write", "flush"}
	if !slices.Equal(events, want) || err != nil {
		t.Errorf("%q, %v", events, err)
	}
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "/dev/watched: when it is closed, udev looks at it") {
		t.Errorf("said %q", notes)
	}
	files := undoFiles(t, dir)
	if len(files) != 1 || !strings.HasPrefix(filepath.Base(files[0]), "watched-probe-2") || !strings.HasSuffix(files[0], ".undo") {
		t.Fatalf("undo files: %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory %v, %v", info.Mode(), err)
	}
}

// Where nothing was written, no undo file is left; where something may have been, it is named.
func TestUndoFileAfterFailure(t *testing.T) {
	for _, c := range []struct {
		fail   string
		last   string
		stays  bool
		writes int
	}{
		{"prove", "prove", false, 0},
		{"can write", "can write", false, 0},
		{"undo file synced", "its directory synced", false, 0},
		{"its directory synced", "its directory synced", false, 0},
		{"arm", "arm", false, 0},
		{"write", "write", true, 1},
		{"flush", "flush", true, 1},
	} {
		dir := stateIn(t)
		events, _, err := watchedRun(t, c.fail, Options{})
		writes := 0
		for _, e := range events {
			if e == "write" {
				writes++
			}
		}
		files := undoFiles(t, dir)
		if !errors.Is(err, errWatched) || events[len(events)-1] != c.last || writes != c.writes || len(files) > 0 != c.stays {
			t.Errorf("%s: %v, %q, undo files %v", c.fail, err, events, files)
		}
		if c.stays && !strings.Contains(err.Error(), "what stood there before is in "+files[0]) {
			t.Errorf("%s: said %q", c.fail, err)
		}
	}
}

// A file that is there is never written over, whatever it holds.
func TestUndoFileIsNew(t *testing.T) {
	dir := t.TempDir()
	there, link := filepath.Join(dir, "there"), filepath.Join(dir, "link")
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{there, link, dir} {
		events, _, err := watchedRun(t, "", Options{Undo: name})
		if !slices.Equal(events, []string{"prove", "can write"}) || !errors.Is(err, ErrUndoKeep) || !strings.Contains(err.Error(), "undo file: open "+name+": file exists") {
			t.Errorf("%s: %q, %v", name, events, err)
		}
	}
	if info, err := os.Stat(there); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
	missing := filepath.Join(dir, "no", "such")
	if events, _, err := watchedRun(t, "", Options{Undo: missing}); len(events) != 2 || !errors.Is(err, ErrUndoKeep) {
		t.Errorf("%q, %v", events, err)
	}
	good := filepath.Join(dir, "good")
	if _, _, err := watchedRun(t, "", Options{Undo: good}); err != nil || len(undoFiles(t, dir)) != 3 {
		t.Errorf("%v, %v", err, undoFiles(t, dir))
	}
}

func TestStateDir(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	for _, c := range []struct{ bctl, xdg, want string }{
		{at("a"), at("b"), at("a")},
		{"", at("b"), at("b", "bctl")},
	} {
		t.Setenv("BCTL_STATE_DIR", c.bctl)
		t.Setenv("XDG_STATE_HOME", c.xdg)
		got, err := StateDir()
		if err != nil || got != c.want {
			t.Errorf("%q, %q: %q, %v", c.bctl, c.xdg, got, err)
		}
	}
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BCTL_STATE_DIR", at("file"))
	events, _, err := watchedRun(t, "", Options{})
	if !errors.Is(err, ErrUndoKeep) || !strings.Contains(hint.Of(err), "--undo FILE") || !strings.Contains(hint.Of(err), "--no-undo") || slices.Contains(events, "arm") {
		t.Errorf("a state directory that is a file: %q, %v", events, err)
	}
	if events, _, err := watchedRun(t, "", Options{NoUndo: true}); err != nil || !slices.Contains(events, "write") {
		t.Errorf("%q, %v", events, err)
	}
}

// A dry run proves, and does nothing else.
func TestDryRun(t *testing.T) {
	dir := stateIn(t)
	events, notes, err := watchedRun(t, "", Options{DryRun: true})
	if !slices.Equal(events, []string{"prove"}) || len(notes) != 0 || err != nil || len(undoFiles(t, dir)) != 0 {
		t.Errorf("%q, %q, %v", events, notes, err)
	}
	if _, _, err := watchedRun(t, "prove", Options{DryRun: true}); !errors.Is(err, errWatched) {
		t.Error(err)
	}
}

// letters is a device of that path, full of a letter, that notes what is done to it.
func letterDevice(path string, letter byte, events *[]string) *pathDevice {
	b := bytes.Repeat([]byte{letter}, 16384)
	return &pathDevice{watchedDevice{powercut.New(bytes.NewReader(b), 16384), events, ""}, path}
}

type pathDevice struct {
	watchedDevice
	path string
}

func (d *pathDevice) Path() string  { return d.path }
func (d *pathDevice) IsBlock() bool { return false }
func (d *pathDevice) do(what string) {
	*d.events = append(*d.events, what+" "+d.path)
}
func (d *pathDevice) CanWrite() error { d.do("can write"); return nil }
func (d *pathDevice) Arm() error      { d.do("arm"); return nil }
func (d *pathDevice) WriteAt(b []byte, off int64) (int, error) {
	d.do("write")
	return d.Device.WriteAt(b, off)
}
func (d *pathDevice) Sync() error { d.do("flush"); return d.Device.Sync() }

// Several devices: all undo files before the first is opened for writing, the stages in their order, and each file
// takes its device back, whatever stages it had.
func TestRunSeveralDevices(t *testing.T) {
	dir := t.TempDir()
	var events []string
	a, b := letterDevice("a", 'a', &events), letterDevice("b", 'b', &events)
	stage := func(d *pathDevice, off int64, v byte) Stage {
		p := new(plan.Plan)
		p.Then(plan.Write{Off: off, Data: bytes.Repeat([]byte{v}, 512)})
		return Stage{Dev: d, Plan: p}
	}
	o := Options{Command: "several", Undo: filepath.Join(dir, "undo")}
	undo, err := Run(t.Context(), o, stage(b, 0, '1'), stage(a, 512, '2'), stage(b, 1024, '3'))
	want := []string{
		"can write b", "can write a", "arm b", "arm a",
		"write b", "flush b", "write a", "flush a", "write b", "flush b",
	}
	if !slices.Equal(events, want) || err != nil || !slices.Equal(undo, []string{o.Undo, o.Undo + ".2"}) {
		t.Fatalf("%q, %v, %v", events, undo, err)
	}
	for i, d := range []*pathDevice{b, a} {
		u, done, err := OpenUndo(undo[i])
		if err != nil {
			t.Fatal(err)
		}
		if abs, _ := filepath.Abs(d.path); u.Count() != 2-i || u.Device != abs || u.Command != "several" {
			t.Errorf("%+v", u.Head)
		}
		if err := TakeBack(t.Context(), Options{}, u, d); err != nil {
			t.Error(err)
		}
		got := make([]byte, 16384)
		if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, bytes.Repeat([]byte(d.path), 16384)) {
			t.Errorf("%s: not everything is back: %v", d.path, err)
		}
		d.Put(4096+100, []byte{'x'}) // the superblock
		if err := TakeBack(t.Context(), Options{DryRun: true}, u, d); !errors.Is(err, plan.ErrChanged) {
			t.Errorf("another superblock: %v", err)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
	one := stage(a, 0, '1')
	one.NoUndo = true
	if undo, err := Run(t.Context(), Options{Undo: filepath.Join(dir, "two")}, one, stage(b, 0, '2')); err != nil || len(undo) != 1 {
		t.Errorf("%v, %v", undo, err)
	}
}

// An interrupted run has written a part, and says where the rest is.
func TestRunInterrupted(t *testing.T) {
	stateIn(t)
	var events []string
	d := letterDevice("a", 'a', &events)
	p := new(plan.Plan)
	p.Then(plan.Write{Off: 0, Data: make([]byte, 512)}, plan.Write{Off: 512, Data: make([]byte, 512)})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Options{Command: "x", Done: func(int64) { cancel() }}, Stage{Dev: d, Plan: p})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "what stood there before is in ") || len(events) != 3 {
		t.Errorf("%v, %q", err, events)
	}
	if _, err := Run(ctx, Options{Command: "x"}, Stage{Dev: d, Plan: p}); !errors.Is(err, context.Canceled) || len(events) != 3 {
		t.Errorf("%v, %q", err, events)
	}
}

// What is kept is listed, the newest first, and how it stands to the device.
func TestListKept(t *testing.T) {
	dir := stateIn(t)
	if all, err := ListKept(nil); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	var events []string
	d := letterDevice("a", 'a', &events)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	change := func(off int64, v byte) string {
		p := new(plan.Plan)
		p.Then(plan.Write{Off: off, Data: bytes.Repeat([]byte{v}, 512)})
		now = now.Add(time.Millisecond)
		undo, err := Run(t.Context(), Options{Command: "x", Time: func() time.Time { return now }}, Stage{Dev: d, Plan: p})
		if err != nil {
			t.Fatal(err)
		}
		return undo[0]
	}
	states := func() string {
		t.Helper()
		all, err := ListKept(d)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, k := range all {
			out = append(out, filepath.Base(k.File)[len("a-x-20260101T000000.00"):][:1]+" "+k.State)
		}
		return strings.Join(out, ", ")
	}
	first := change(0, '1')
	change(512, '2')
	third := change(0, '3')
	if got := states(); got != "3 applies, 2 applies, 1 superseded" {
		t.Error(got)
	}
	for _, want := range []string{"3 taken back, 2 applies, 1 applies", "3 taken back, 2 taken back, 1 applies", "3 superseded, 2 taken back, 1 taken back"} {
		name, err := NewestKept(d)
		if err != nil {
			t.Fatal(err)
		}
		u, done, err := OpenUndo(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(TakeBack(t.Context(), Options{}, u, d), done()); err != nil {
			t.Fatal(err)
		}
		if got := states(); got != want {
			t.Errorf("after %s: %s", name, got)
		}
	}
	if name, err := NewestKept(d); !errors.Is(err, ErrNoUndo) || !strings.Contains(err.Error(), third+" is superseded") {
		t.Errorf("%s, %v", name, err)
	}
	if name, err := NewestKept(letterDevice("b", 'b', &events)); !errors.Is(err, ErrNoUndo) || strings.Contains(err.Error(), dir) {
		t.Errorf("%s, %v", name, err)
	}
	if err := os.Truncate(first, 100); err != nil {
		t.Fatal(err)
	}
	if all, err := ListKept(nil); err != nil || len(all) != 3 || all[2].State != KeptBroken && all[1].State != KeptBroken && all[0].State != KeptBroken {
		t.Errorf("%+v, %v", all, err)
	}
}
