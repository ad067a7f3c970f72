// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/disk/plan"
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
func watchedRun(t *testing.T, fail string, args ...string) (events []string, r apptest.Result) {
	t.Helper()
	dev := &watchedDevice{powercut.New(bytes.NewReader(make([]byte, 8192)), 8192), &events, fail}
	p := new(plan.Plan)
	p.Then(plan.Write{Off: 0, Data: bytes.Repeat([]byte{1}, 512)})
	p.Then(plan.Write{Off: 4096, Data: bytes.Repeat([]byte{2}, 512)})
	r = apptest.Probe(func(c *cli.Context) error {
		w, err := newWriteRun(c)
		if err != nil {
			return err
		}
		w.undo = c.String("label")
		w.sync = func(f *os.File) error {
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
		_, err = w.run(dev, p)
		return err
	}, []cli.Flag{&cli.StringFlag{Name: "label"}}, args...)
	return events, r
}

// The undo file is whole and on its medium, and so is its name and that of the folder made for it, before the device is even opened for writing.
func TestUndoFileComesFirst(t *testing.T) {
	dir := apptest.StateIn(t)
	events, r := watchedRun(t, "")
	want := []string{"can write", "its directory synced", "undo file synced", "its directory synced", "arm", "write", "flush", "write", "flush"}
	if !slices.Equal(events, want) || r.Code != 0 {
		t.Errorf("%q, %+v", events, r)
	}
	if !strings.HasPrefix(r.Stderr, "bctl: /dev/watched: when it is closed, udev looks at it") {
		t.Errorf("said %q", r.Stderr)
	}
	files := apptest.UndoFiles(t, dir)
	if len(files) != 1 || !strings.HasPrefix(filepath.Base(files[0]), "watched-probe-2") || !strings.HasSuffix(files[0], ".undo") {
		t.Fatalf("undo files: %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory %v, %v", info.Mode(), err)
	}
	if _, r := watchedRun(t, "", "-q"); r.Stderr != "" {
		t.Errorf("--quiet said %q", r.Stderr)
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
		{"can write", "can write", false, 0},
		{"undo file synced", "its directory synced", false, 0},
		{"its directory synced", "its directory synced", false, 0},
		{"arm", "arm", false, 0},
		{"write", "write", true, 1},
		{"flush", "flush", true, 1},
	} {
		dir := apptest.StateIn(t)
		events, r := watchedRun(t, c.fail)
		writes := 0
		for _, e := range events {
			if e == "write" {
				writes++
			}
		}
		files := apptest.UndoFiles(t, dir)
		if r.Code != app.ExitCannot || events[len(events)-1] != c.last || writes != c.writes || len(files) > 0 != c.stays {
			t.Errorf("%s: exit %d, %q, undo files %v", c.fail, r.Code, events, files)
		}
		if c.stays && !strings.Contains(r.Stderr, "what stood there before is in "+files[0]) {
			t.Errorf("%s: said %q", c.fail, r.Stderr)
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
		events, r := watchedRun(t, "", "--label", name)
		if !slices.Equal(events, []string{"can write"}) || r.Code != app.ExitCannot || !strings.Contains(r.Stderr, "undo file: open "+name+": file exists") {
			t.Errorf("%s: %q, %+v", name, events, r)
		}
	}
	if info, err := os.Stat(there); err != nil || info.Size() != 0 {
		t.Errorf("%v, %v", info, err)
	}
	missing := filepath.Join(dir, "no", "such")
	if events, r := watchedRun(t, "", "--label", missing); len(events) != 1 || r.Code != app.ExitCannot {
		t.Errorf("%q, %+v", events, r)
	}
	good := filepath.Join(dir, "good")
	if _, r := watchedRun(t, "", "--label", good); r.Code != 0 || len(apptest.UndoFiles(t, dir)) != 3 {
		t.Errorf("%+v, %v", r, apptest.UndoFiles(t, dir))
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
		got, err := stateDir()
		if err != nil || got != c.want {
			t.Errorf("%q, %q: %q, %v", c.bctl, c.xdg, got, err)
		}
	}
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BCTL_STATE_DIR", at("file"))
	if events, r := watchedRun(t, ""); r.Code != app.ExitCannot || !strings.Contains(r.Stderr, "undo file: ") || slices.Contains(events, "arm") {
		t.Errorf("a state directory that is a file: %q, %+v", events, r)
	}
}
