// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bctl/internal/disk/plan"
	"bctl/internal/hint"
)

// save has what stands on d now on its medium before anything is written. nth is how many devices came before it: the
// file that was asked for is that of the first, FILE.2 that of the second.
func (o *Options) save(d *changed, nth int) (string, error) {
	now := o.Time()
	head := plan.Head{Command: o.Command, Device: absolute(d.dev.Path()), Created: now.UTC().Format(time.RFC3339)}
	name := o.Undo
	switch {
	case name == "":
		dir, err := o.stateDir()
		if err != nil {
			return "", err
		}
		name = filepath.Join(dir, fmt.Sprintf("%s-%s-%s.undo", filepath.Base(d.dev.Path()), o.Command, now.UTC().Format("20060102T150405.000000000")))
	case nth > 0:
		name = fmt.Sprintf("%s.%d", name, nth+1)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil && o.Undo == "" {
		err = noState(err)
	}
	if err != nil {
		return "", err
	}
	err = d.all.SaveUndoOf(d.data, f, d.dev, head)
	err = errors.Join(err, o.sync(f), f.Close(), o.syncDir(filepath.Dir(name)))
	if err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

// absolute is a path that means the same from any folder.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// stateDir is StateDir, made where it is not there.
func (o *Options) stateDir() (dir string, err error) {
	if dir, err = StateDir(); err == nil {
		err = o.makeDir(dir)
	}
	if err != nil {
		err = noState(err)
	}
	return dir, err
}

// noState is the way out where the state directory cannot be used, as in an initramfs.
func noState(err error) error {
	return hint.Add(fmt.Errorf("no state directory to keep it in: %w", err), "--undo FILE says where else, --no-undo keeps none")
}

// makeDir makes a folder and those above it, and has their names on the medium.
func (o *Options) makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := o.makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return o.syncDir(parent)
}

// syncDir makes a new file's name durable.
func (o *Options) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(o.sync(d), d.Close())
}

// StateDir is where undo files go: $BCTL_STATE_DIR, else $XDG_STATE_HOME/bctl, else /var/lib/bctl for root and
// ~/.local/state/bctl for others.
func StateDir() (string, error) {
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
