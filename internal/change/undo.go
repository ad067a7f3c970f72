// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
)

// ErrNoUndo says that no undo file fits a device.
var ErrNoUndo = errors.New("no undo file for it")

// OpenUndo opens an undo file. The closer must be called when u is done with. Errors name the file.
func OpenUndo(file string) (u *plan.Undo, closer func() error, err error) {
	f, err := blockdev.Open(file) // a fifo would make os.Open wait
	if err != nil {
		return nil, nil, err
	}
	if u, err = plan.OpenUndo(f, f.Size()); err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return u, f.Close, nil
}

// TakeBack puts back on dev what u keeps, through Run. It refuses, in a dry run too, a device of which any sector that
// was written, or the superblock, or another place that shows use, is neither as before nor as after the change.
// Nothing is kept of what it takes away: it can be run again, and the command too. Errors: plan.ErrChanged, Run's.
func TakeBack(ctx context.Context, o Options, u *plan.Undo, dev Device) error {
	if err := u.Check(dev); err != nil {
		return fmt.Errorf("%s: %w", dev.Path(), err)
	}
	o.NoUndo = true
	if _, err := Run(ctx, o, Stage{Dev: dev, Data: u}); err != nil {
		return fmt.Errorf("%s: %w", dev.Path(), err)
	}
	return nil
}

// Kept is an undo file in the state directory.
type Kept struct {
	File string `json:"file"`
	plan.Head
	State string `json:"state"` // one of the words below
	Why   string `json:"why,omitempty"`
}

// How a kept file stands to its device.
const (
	KeptApplies    = "applies"    // the change is there, all or a part of it: it can be taken back
	KeptDone       = "taken back" // all is as before the change
	KeptSuperseded = "superseded" // the device was written to since, or is another one
	KeptUnknown    = "unknown"    // the device cannot be read
	KeptBroken     = "broken"     // not a whole undo file
)

// ListKept lists the undo files of the state directory, the newest first. Each is held against dev, or, where that is
// nil, against the device of the path that it was made for. Errors: the state directory's.
func ListKept(dev plan.Device) ([]Kept, error) {
	dir, err := StateDir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Kept
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".undo") && e.Type().IsRegular() {
			out = append(out, look(filepath.Join(dir, e.Name()), dev))
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := &out[i], &out[j]
		if c := strings.Compare(b.Created, a.Created); c != 0 {
			return c < 0
		}
		return strings.Compare(stamp(b.File), stamp(a.File)) < 0
	})
	return out, nil
}

// stamp is the time in a file's name, which is finer than Created.
func stamp(file string) string { return file[strings.LastIndexByte(file, '-')+1:] }

// look holds an undo file against its device.
func look(file string, dev plan.Device) Kept {
	k := Kept{File: file, State: KeptBroken}
	u, done, err := OpenUndo(file)
	if err != nil {
		k.Why = err.Error()
		return k
	}
	defer done() //nolint:errcheck // it was only read
	k.Head = u.Head
	if dev == nil {
		d, err := blockdev.Open(u.Device)
		if err != nil {
			k.State, k.Why = KeptUnknown, err.Error()
			return k
		}
		defer d.Close()
		dev = d
	}
	state, err := u.State(dev)
	switch {
	case errors.Is(err, plan.ErrChanged):
		k.State, k.Why = KeptSuperseded, err.Error()
	case err != nil:
		k.State, k.Why = KeptUnknown, err.Error()
	case state == plan.Undone:
		k.State = KeptDone
	default:
		k.State = KeptApplies
	}
	return k
}

// NewestKept is the newest undo file of the state directory whose change is on dev. Errors: ErrNoUndo, which says of
// the newest for a device of that path why it does not apply; the state directory's.
func NewestKept(dev Device) (file string, err error) {
	all, err := ListKept(dev)
	if err != nil {
		return "", err
	}
	for _, k := range all {
		if k.State == KeptApplies {
			return k.File, nil
		}
	}
	for _, k := range all {
		if k.Device == absolute(dev.Path()) {
			return "", fmt.Errorf("%s: %w: %s is %s", dev.Path(), ErrNoUndo, k.File, k.State)
		}
	}
	return "", fmt.Errorf("%s: %w in the state directory; name the file", dev.Path(), ErrNoUndo)
}
