// SPDX-License-Identifier: GPL-2.0-only

// Package change is the commands that change a cache in place, and the one that takes it back.
package change

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
)

// writeFlags are the flags of every command that changes a cache in place.
func writeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "show what would change, and write nothing"},
		&cli.StringFlag{Name: "undo", Usage: "keep what stood there before in `FILE`; by default a new one in the state directory"},
		&cli.BoolFlag{Name: "no-undo", Usage: "keep nothing"},
	}
}

// writeRun carries a plan out on a device: claimed alone, with an undo file first.
type writeRun struct {
	c      *cli.Context
	dryRun bool
	undo   string               // the file, "" for one in the state directory
	sync   func(*os.File) error // of the undo file
}

// claimed is a claimed device: a *blockdev.Device.
type claimed interface {
	plan.Device
	Path() string
	IsBlock() bool
	CanWrite() error
	Arm() error
}

func newWriteRun(c *cli.Context) (*writeRun, error) {
	if c.IsSet("undo") && c.Bool("no-undo") {
		return nil, app.Usagef("--undo contradicts --no-undo")
	}
	if c.IsSet("undo") && c.String("undo") == "" {
		return nil, app.Usagef("--undo: no file given")
	}
	return &writeRun{c: c, dryRun: c.Bool("dry-run"), undo: c.String("undo"), sync: (*os.File).Sync}, nil
}

// open claims the device, unless nothing is to be written.
func (w *writeRun) open(name string) (*blockdev.Device, error) {
	if w.dryRun {
		return blockdev.Open(name)
	}
	return blockdev.Claim(name)
}

// run saves the undo file and writes. It returns the file's name.
func (w *writeRun) run(dev claimed, p *plan.Plan) (name string, err error) {
	if w.dryRun {
		return "", nil
	}
	if err := dev.CanWrite(); err != nil {
		return "", err
	}
	if !w.c.Bool("no-undo") {
		if name, err = w.saveUndo(dev, p); err != nil {
			return "", fmt.Errorf("undo file: %w", err)
		}
	}
	if err := arm(w.c, dev); err != nil {
		if name != "" {
			os.Remove(name) // of nothing
		}
		return "", err
	}
	if err := p.Run(dev); err != nil && name != "" {
		return "", fmt.Errorf("%w; what stood there before is in %s", err, name)
	} else if err != nil {
		return "", err
	}
	return name, nil
}

// arm opens a claimed device for writing, and says before it what that brings with it.
func arm(c *cli.Context, dev claimed) error {
	if dev.IsBlock() && !app.IsQuiet(c) {
		fmt.Fprintf(c.App.ErrWriter, "bctl: %s: when it is closed, udev looks at it and may hand it to the kernel, which then writes to it (docs/writing.md says how to hold that off)\n", dev.Path())
	}
	return dev.Arm()
}

// saveUndo has the old contents on their medium before anything is written.
func (w *writeRun) saveUndo(dev claimed, p *plan.Plan) (string, error) {
	now := time.Now()
	head := plan.Head{Command: w.c.Command.Name, Device: dev.Path(), Created: now.UTC().Format(time.RFC3339)}
	name := w.undo
	if name == "" {
		dir, err := stateDir()
		if err == nil {
			err = w.makeDir(dir)
		}
		if err != nil {
			return "", err
		}
		name = filepath.Join(dir, fmt.Sprintf("%s-%s-%s.undo", filepath.Base(dev.Path()), w.c.Command.Name, now.UTC().Format("20060102T150405.000000000")))
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	err = p.SaveUndo(f, dev, head)
	err = errors.Join(err, w.sync(f), f.Close(), w.syncDir(filepath.Dir(name)))
	if err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

// makeDir makes a folder and those above it, and has their names on the medium.
func (w *writeRun) makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := w.makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return w.syncDir(parent)
}

// syncDir makes a new file's name durable.
func (w *writeRun) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(w.sync(d), d.Close())
}

// stateDir is where undo files go: $BCTL_STATE_DIR, else $XDG_STATE_HOME/bctl, else /var/lib/bctl for root and
// ~/.local/state/bctl for others.
func stateDir() (string, error) {
	dir := os.Getenv("BCTL_STATE_DIR")
	switch home := os.Getenv("XDG_STATE_HOME"); {
	case dir != "":
	case home != "":
		dir = filepath.Join(home, "bctl")
	case os.Geteuid() == 0:
		dir = "/var/lib/bctl"
	default:
		user, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, ".local", "state", "bctl")
	}
	return dir, nil
}
