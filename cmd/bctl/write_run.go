package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/internal/blockdev"
	"bctl/internal/plan"
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
	undo   string // "" for none
}

func newWriteRun(c *cli.Context) (*writeRun, error) {
	if c.IsSet("undo") && c.Bool("no-undo") {
		return nil, usagef("--undo contradicts --no-undo")
	}
	if c.IsSet("undo") && c.String("undo") == "" {
		return nil, usagef("--undo: no file given")
	}
	return &writeRun{c: c, dryRun: c.Bool("dry-run"), undo: c.String("undo")}, nil
}

// open claims the device, unless nothing is to be written.
func (w *writeRun) open(name string) (*blockdev.Device, error) {
	if w.dryRun {
		return blockdev.Open(name)
	}
	return blockdev.Claim(name)
}

// run saves the undo file and writes. It returns the file's name.
func (w *writeRun) run(dev *blockdev.Device, p *plan.Plan) (string, error) {
	if w.dryRun {
		return "", nil
	}
	name := ""
	if !w.c.Bool("no-undo") {
		var err error
		if name, err = w.saveUndo(dev, p); err != nil {
			return "", fmt.Errorf("undo file: %w", err)
		}
	}
	if dev.IsBlock() && !isQuiet(w.c) {
		fmt.Fprintf(w.c.App.ErrWriter, "bctl: %s: when it is closed, udev looks at it and may hand it to the kernel, which then writes to it (docs/writing.md says how to hold that off)\n", dev.Path())
	}
	if err := dev.Arm(); err != nil {
		return "", err
	}
	return name, p.Run(dev)
}

// saveUndo has the old contents on their medium before anything is written.
func (w *writeRun) saveUndo(dev *blockdev.Device, p *plan.Plan) (string, error) {
	u, err := p.Undo(dev)
	if err != nil {
		return "", err
	}
	now := time.Now()
	u.Command, u.Device, u.Created = w.c.Command.Name, dev.Path(), now.UTC().Format(time.RFC3339)
	name := w.undo
	if name == "" {
		dir, err := stateDir()
		if err != nil {
			return "", err
		}
		name = filepath.Join(dir, fmt.Sprintf("%s-%s-%s.undo", filepath.Base(dev.Path()), w.c.Command.Name, now.UTC().Format("20060102T150405.000000000")))
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = u.WriteTo(f)
	err = errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(name)))
	if err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

// syncDir makes a new file's name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// stateDir is where undo files go: $BCTL_STATE_DIR, /var/lib/bctl for root, else $XDG_STATE_HOME/bctl.
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
	return dir, os.MkdirAll(dir, 0o700)
}
