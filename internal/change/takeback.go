// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// failed is how a run ends that wrote a part, or that did not end well: where somebody wants to be sure of it, and it
// was not interrupted, everything is taken back at once, the last device first. It returns the undo files that are left.
func (o *Options) failed(ctx context.Context, err error, devices []*changed, undo []string) ([]string, error) {
	if o.Sure == nil || ctx.Err() != nil || len(undo) == 0 {
		return undo, kept(err, undo)
	}
	left := len(undo)
	for i := len(devices) - 1; i >= 0; i-- {
		d := devices[i]
		if d.noUndo {
			continue
		}
		left--
		if back := d.takeBack(undo[left]); back != nil {
			return undo, fmt.Errorf("%w; taking it back failed: %w", kept(err, undo), back)
		}
	}
	forget(undo)
	return nil, fmt.Errorf("%w; it was taken back, and everything is as it was before", err)
}

// takeBack puts what an undo file has onto a device that is open for writing.
func (d *changed) takeBack(file string) error {
	u, done, err := OpenUndo(file)
	if err != nil {
		return err
	}
	defer done() //nolint:errcheck // it was only read
	return u.Run(d.dev)
}

// SpoolDir is where a plan that is too large for memory may be kept: beside the undo file, for which there must be as
// much room. It is "" for the folder of temporary files.
func (o *Options) SpoolDir() string {
	dir := filepath.Dir(o.Undo)
	if o.Undo == "" {
		var err error
		if dir, err = StateDir(); err != nil || o.NoUndo {
			return ""
		}
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}
