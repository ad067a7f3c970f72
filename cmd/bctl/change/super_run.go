// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/full"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

func (o *superOptions) backup(tell *app.IO) error {
	b := superblock.Backup{Created: time.Now().UTC().Format(time.RFC3339)}
	for _, name := range o.devices {
		dev, err := app.OpenDevice(tell, name)
		if err != nil {
			return err
		}
		s, err := superblock.ReadDevice(dev, dev.Size())
		if err == nil {
			var saved superblock.Saved
			saved, err = superblock.Save(name, dev.Size(), s)
			b.Devices = append(b.Devices, saved)
		}
		dev.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	text, err := b.Encode()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return render.WriteFields(tell.Out, tell.Format, []render.Field{
		{Key: "file", Value: o.file, Name: "file"},
		{Key: "superblocks", Value: len(b.Devices), Name: "superblocks"},
	})
}

// A putting is a superblock that goes onto a device.
type putting struct {
	Device string `json:"device"`
	UUID   string `json:"uuid"`
	Kind   string `json:"type"`
	Change string `json:"change"` // none, planned or written
	Undo   string `json:"undo_file"`

	dev  *blockdev.Device
	data []byte // nil: nothing to do
}

// put restores, or unwipes.
func (o *superOptions) put(ctx context.Context, tell *app.IO) error {
	var all []*putting
	defer func() {
		for _, p := range all {
			p.dev.Close()
		}
	}()
	var held []*blockdev.Device
	for _, name := range o.devices {
		dev, err := change.Open(name, o.write, held...)
		if err != nil {
			return err
		}
		held = append(held, dev)
		p := &putting{Device: name, dev: dev, Change: "none"}
		all = append(all, p)
		if err := o.plan(p); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	var stages []change.Stage
	var changed []*putting
	for _, p := range all {
		if p.data == nil {
			continue
		}
		made := new(plan.Plan)
		made.Then(plan.Write{Off: ondisk.SuperOffset, Data: p.data, What: "superblock"})
		stages = append(stages, change.Stage{Dev: p.dev, Plan: made, Prove: p.prove(ctx)})
		changed = append(changed, p)
		p.Change = map[bool]string{true: "planned", false: "written"}[o.write.DryRun]
	}
	if len(stages) > 0 {
		undo, err := change.Run(ctx, o.write, stages...)
		if err != nil {
			return err
		}
		for i, name := range undo {
			changed[i].Undo = name
		}
	}
	return o.tell(all, tell)
}

// plan finds what goes onto a device. It is nothing where that stands there already.
func (o *superOptions) plan(p *putting) error {
	now := make([]byte, ondisk.SuperSize)
	if err := full.ReadAt(p.dev, now, ondisk.SuperOffset); err != nil {
		return err
	}
	make := o.unwiped
	if o.verb == "restore" {
		make = o.restored
	}
	s, err := make(p.dev)
	if err != nil {
		return err
	}
	p.UUID, p.Kind = s.UUID.String(), superblock.Kind(s)
	if data := s.Append(nil); !bytes.Equal(data, now) {
		p.data = data
	}
	return nil
}

// unwiped is the superblock with its magic, where the checksum proves the rest.
func (o *superOptions) unwiped(dev *blockdev.Device) (*ondisk.Super, error) {
	s, err := superblock.ReadDevice(dev, dev.Size())
	if err != nil {
		return nil, app.WithHint(err, "where more than the magic is lost: bctl fsck --scan %s", app.Quote(dev.Path()))
	}
	s.Magic = ondisk.SuperMagic
	for _, f := range superblock.Check(s, superblock.Device{Size: dev.Size(), LogicalBlock: dev.LogicalBlock()}) {
		if finding.Lookup(f.Code).Severity == finding.Damage {
			return nil, app.WithHint(fmt.Errorf("more than the magic is wrong: %w", f), "bctl fsck --scan -y %s", app.Quote(dev.Path()))
		}
	}
	return s, nil
}

// restored is the superblock that the file has of the device.
func (o *superOptions) restored(dev *blockdev.Device) (*ondisk.Super, error) {
	text, err := os.ReadFile(o.file)
	if err != nil {
		return nil, err
	}
	b, err := superblock.DecodeBackup(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.file, err)
	}
	is, err := superblock.Read(dev)
	if err != nil {
		is = nil
	}
	var fits []*superblock.Saved
	for i := range b.Devices {
		d := &b.Devices[i]
		same := d.Size == dev.Size()
		if is != nil {
			same = same && d.UUID == is.UUID.String()
		}
		if same {
			fits = append(fits, d)
		}
	}
	if len(fits) != 1 && o.force && len(b.Devices) == 1 {
		fits = []*superblock.Saved{&b.Devices[0]}
	}
	if len(fits) != 1 {
		return nil, app.WithHint(fmt.Errorf("%d of the %d superblocks in %s are of a device with its uuid and size", len(fits), len(b.Devices), o.file),
			"bctl super backup of one device alone makes a file that --force takes for any")
	}
	s, err := ondisk.DecodeSuper(fits[0].Raw)
	if err == nil && !o.force && drops(s) {
		err = fmt.Errorf("the superblock in %s is of a time before the device held data of the set: the kernel would drop what is there; --force restores it all the same", o.file)
	}
	return s, err
}

// drops reports whether the kernel takes a device with s for one that nothing of the set is on.
func drops(s *ondisk.Super) bool {
	if s.IsBacking() {
		return s.State() != ondisk.StateClean && s.State() != ondisk.StateDirty
	}
	return !s.Sync()
}

// prove holds the device as it will be against what it is: no damage may be new. Where nothing could be read so far,
// only what a superblock can be to blame for counts.
func (p *putting) prove(ctx context.Context) func(io.ReaderAt) error {
	device := func(r io.ReaderAt) fsck.Device {
		return fsck.Device{Name: p.Device, R: r, Size: p.dev.Size(), LogicalBlock: p.dev.LogicalBlock()}
	}
	return func(after io.ReaderAt) error {
		was, before := map[finding.Code]bool{}, false
		if rep, err := fsck.Run(ctx, device(p.dev), nil, fsck.Options{}); err == nil {
			before = true
			for _, f := range rep.Findings {
				was[f.Code] = true
			}
		}
		rep, err := fsck.Run(ctx, device(after), nil, fsck.Options{})
		if err != nil {
			return err
		}
		for _, f := range rep.Findings {
			if f.Code == finding.SBSyncGone {
				continue // as drops told, and --force accepted
			}
			mine := f.Code.Family() == "SB" || f.Code.Family() == "BD" || f.Code == finding.JRNone
			if f.Severity == finding.Damage && !was[f.Code] && (before || mine) {
				return fmt.Errorf("%s: with that superblock the device is damaged: %s %s", p.Device, f.Code, f.Message)
			}
		}
		return nil
	}
}

func (o *superOptions) tell(all []*putting, tell *app.IO) error {
	err := render.Write(tell.Out, tell.Format, render.View[*putting]{
		Key: "devices",
		Rows: func(yield func(*putting, error) bool) {
			for _, p := range all {
				if !yield(p, nil) {
					return
				}
			}
		},
		Columns: []render.Column[*putting]{
			{Name: "device", Cell: func(p *putting) string { return p.Device }},
			{Name: "type", Cell: func(p *putting) string { return p.Kind }},
			{Name: "uuid", Cell: func(p *putting) string { return p.UUID }},
			{Name: "change", Cell: func(p *putting) string { return p.Change }},
			{Name: "undo_file", Cell: func(p *putting) string { return p.Undo }},
		},
		Limit: -1,
	})
	if err == nil && o.write.DryRun {
		tell.Note("nothing was written: --yes does it")
	}
	return err
}
