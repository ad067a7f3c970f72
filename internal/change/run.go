// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
)

// ErrUndoKeep says that what stands on a device could not be kept, so nothing was written.
var ErrUndoKeep = errors.New("undo file")

// Options say how changes are written. The zero value keeps an undo file in the state directory, and is silent.
type Options struct {
	Command string                 // what changes the device, for the undo file
	DryRun  bool                   // plan and prove, and write nothing
	Undo    string                 // the undo file; "" for a new one in the state directory
	NoUndo  bool                   // keep nothing
	LetUdev bool                   // udev may have the device when it is closed: it is made for that
	Note    func(text string)      // what the user must know beforehand, and is no error; nil: silent
	Done    func(bytes int64)      // how many bytes were written, and again how many read back; nil: untold
	Time    func() time.Time       // of the undo file; nil: now
	Sure    func() error           // judges the devices when all is written: on its error, or if the writing fails, all is taken back
	sync    func(f *os.File) error // of undo file and folder
}

// Device is a claimed device: a *blockdev.Device.
type Device interface {
	plan.Device
	Path() string
	IsBlock() bool
	CanWrite() error
	Arm() error
}

// A Stage is a plan for one device. A device may have several stages, with those of others between them; no place of
// it is written twice.
type Stage struct {
	Dev  Device
	Plan *plan.Plan // nil: nothing but Data
	// Data is what is written before the plan, and too much for one; nil: nothing.
	Data Data
	// Later is what a later run writes to the device: it is kept with what this one does. nil: nothing.
	Later *plan.Plan
	// Prove judges the device as it will be once this plan is carried out, before anything is written to any device.
	// nil: nothing to prove. Its error is Run's.
	Prove func(after io.ReaderAt) error
	// After is called when the plan is carried out, and may stop the run; nil: nothing.
	After func() error
	// NoUndo is for what is not worth an undo file: a device that this program has just made.
	NoUndo bool
}

// Data is the writing of more than a plan can hold, by whoever knows how it is done well.
type Data interface {
	// Writes are all that may be written, for the undo file.
	Writes() iter.Seq2[plan.Write, error]
	// Carry does it, to the medium. It ends early with ctx; what was written by then stays.
	Carry(ctx context.Context, dev plan.Device, done func(bytes int64)) error
}

// Open opens a device that is going to be changed. It stays claimed until it is closed, so that what is planned is
// planned for what will be written to; for a dry run it is only read. held are those that this program has claimed.
// Errors are blockdev's.
func Open(path string, o Options, held ...*blockdev.Device) (*blockdev.Device, error) {
	if o.DryRun {
		return disk.Read(path)
	}
	if err := disk.Writable(path); err != nil {
		return nil, err
	}
	return blockdev.Claim(path, held...)
}

// Run is the only way to write to a device:
//
//	may it be written?  prove  undo file of each device, durable  open for writing  write, flush, read back, step by step
//
// Nothing is written to any device before everything is proved and all undo files are on their medium. It returns
// their names, in the order in which the devices come up. A run that is interrupted, or whose device fails, has
// written a part; the error then names the files, and they are returned too. Errors: those of Prove; ErrUndoKeep; blockdev's and plan's; ctx's.
func Run(ctx context.Context, o Options, stages ...Stage) (undo []string, err error) {
	o.fill()
	for _, s := range stages {
		if err := s.prove(); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil || o.DryRun {
		return nil, err
	}
	devices := byDevice(stages)
	for _, d := range devices {
		if err := d.dev.CanWrite(); err != nil {
			return nil, err
		}
	}
	for _, d := range devices {
		if o.NoUndo || d.noUndo {
			continue
		}
		name, err := o.save(d, len(undo))
		if err != nil {
			forget(undo)
			return nil, fmt.Errorf("%w: %w", ErrUndoKeep, err)
		}
		undo = append(undo, name)
	}
	for _, d := range devices {
		if err := o.Arm(d.dev); err != nil {
			forget(undo)
			return nil, err
		}
	}
	for _, s := range stages {
		err := s.carry(ctx, o.Done)
		if err == nil && s.After != nil {
			err = s.After()
		}
		if err != nil {
			if ctx.Err() != nil && len(undo) > 0 { // of an interruption no more is said than that
				o.Note(kept(errInterrupted, undo).Error())
			}
			return o.failed(ctx, err, devices, undo)
		}
	}
	if o.Sure != nil {
		if err := o.Sure(); err != nil {
			return o.failed(ctx, err, devices, undo)
		}
	}
	return undo, nil
}

func (o *Options) fill() {
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.Done == nil {
		o.Done = func(int64) {}
	}
	if o.Time == nil {
		o.Time = time.Now
	}
	if o.sync == nil {
		o.sync = (*os.File).Sync
	}
}

// carry writes what the stage writes.
func (s *Stage) carry(ctx context.Context, done func(int64)) error {
	if s.Data != nil {
		if err := s.Data.Carry(ctx, s.Dev, done); err != nil {
			return err
		}
	}
	if s.Plan == nil {
		return nil
	}
	return s.Plan.Carry(ctx, s.Dev, done)
}

func (s *Stage) prove() error {
	if s.Prove == nil {
		return nil
	}
	return s.Prove(s.Plan.Overlay(s.Dev))
}

// A holder is a device that udev can be kept away from until it is closed.
type holder interface {
	Hold(note func(string)) (held bool, err error)
}

// Arm opens a claimed device for writing, and keeps udev away from it until it is closed; where that cannot be, or is not
// wanted, it says what the closing brings with it. Only what is no plan is written through it from outside this package:
// a copy of data that no undo file could hold.
func (o *Options) Arm(dev Device) error {
	note := o.Note
	if note == nil {
		note = func(string) {}
	}
	held := false
	if h, ok := dev.(holder); ok && !o.LetUdev {
		var err error
		if held, err = h.Hold(note); err != nil {
			note(fmt.Sprintf("%s: udev could not be kept away from it: %v", dev.Path(), err))
		}
	}
	switch {
	case held:
		note(dev.Path() + ": udev is kept away from it until this ends; afterwards, echo " + dev.Path() + " > /sys/fs/bcache/register gives it to the kernel")
	case dev.IsBlock():
		note(dev.Path() + ": when it is closed, udev looks at it and may hand it to the kernel, which then writes to it (docs/writing.md says how to hold that off)")
	}
	return dev.Arm()
}

// forget removes undo files of nothing.
func forget(undo []string) {
	for _, name := range undo {
		os.Remove(name)
	}
}

// kept says what is left of a run that stopped halfway.
func kept(err error, undo []string) error {
	switch len(undo) {
	case 0:
		return err
	case 1:
		return fmt.Errorf("%w; what stood there before is in %s", err, undo[0])
	}
	return fmt.Errorf("%w; what stood there before is in %q", err, undo)
}

var errInterrupted = errors.New("interrupted")

// changed is a device and all that is written to it.
type changed struct {
	dev    Device
	data   plan.Stream
	all    plan.Plan
	noUndo bool
}

// byDevice joins the stages of each device, of which the first alone may have data. The superblock is always watched: the kernel writes it when it gets the
// device.
func byDevice(stages []Stage) (out []*changed) {
	at := map[Device]*changed{}
	for _, s := range stages {
		d := at[s.Dev]
		if d == nil {
			d = &changed{dev: s.Dev, noUndo: s.NoUndo}
			if s.Dev.Size() >= ondisk.SuperOffset+ondisk.SuperSize {
				d.all.Watched = []plan.Region{{Off: ondisk.SuperOffset, Bytes: ondisk.SuperSize}}
			}
			at[s.Dev] = d
			out = append(out, d)
		}
		if s.Data != nil {
			d.data = s.Data.Writes
		}
		for _, p := range []*plan.Plan{s.Plan, s.Later} {
			if p == nil {
				continue
			}
			d.all.Steps = append(d.all.Steps, p.Steps...)
			for _, g := range p.Watched {
				if g.Off != ondisk.SuperOffset {
					d.all.Watched = append(d.all.Watched, g)
				}
			}
		}
	}
	return out
}
