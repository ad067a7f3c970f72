// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"context"
	"fmt"
	"runtime/debug"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
)

// seen is what a check saw. Where a repair may follow, and nobody is asked between, the devices were claimed for it, and
// stay so: then the repair starts from what was seen, and need not check again.
type seen struct {
	rep  *fsck.Report
	err  error
	devs []fsck.Device      // claimed
	open []*blockdev.Device // those
	work *repair.Work       // nil: to be begun
	// spool has what a repair plans, beside the undo file.
	spool *change.Spool
}

func (s *seen) close() {
	for _, d := range s.open {
		d.Close()
	}
	_ = s.spool.Close() // it has no name, and nobody reads it any more
}

// look checks the devices.
func look(ctx context.Context, o *fsckOptions, run fsck.Options, io *app.IO) *seen {
	s := &seen{spool: change.NewSpool(o.repair.write.SpoolDir())}
	if o.repair.policy.Mode >= finding.Preen && !o.verify && !o.repair.scan.on {
		var err error
		if s.devs, s.open, err = claimAll(o.devices, o.repair.write, o.repair.scan); err == nil {
			s.work = s.begin(ctx, &o.repair, run)
			s.rep, s.err = s.work.Report()
			return s
		}
		s.close() // it is checked all the same, and what is in use is said before it would be written to
		s.devs, s.open = nil, nil
	}
	s.rep, s.err = checkAll(ctx, *o, run, io)
	return s
}

// begin checks the claimed devices, for a repair.
func (s *seen) begin(ctx context.Context, o *repairOptions, run fsck.Options) *repair.Work {
	return repair.Look(ctx, s.devs[0], s.devs[1:], repair.Options{
		Options: run, Rewind: o.rewind, Spool: s.spool, Hints: o.scan.hints, Only: o.policy.Only, Skip: o.policy.Skip,
	})
}

// claimed are the devices for a repair, claimed alone, and checked since.
func (s *seen) claimed(ctx context.Context, o *repairOptions, names []string, run fsck.Options) ([]fsck.Device, []*blockdev.Device, error) {
	if s.work == nil {
		var err error
		if s.devs, s.open, err = claimAll(names, o.write, o.scan); err != nil {
			return nil, nil, err
		}
		s.work = s.begin(ctx, o, run)
	}
	return s.devs, s.open, nil
}

// checkAll checks the devices, opened for reading.
func checkAll(ctx context.Context, o fsckOptions, run fsck.Options, io *app.IO) (*fsck.Report, error) {
	devs, closeAll, err := openAll(io, o.devices, o.repair.scan)
	defer closeAll()
	if err != nil {
		return nil, err
	}
	rep, err := fsck.Run(ctx, devs[0], devs[1:], run)
	if rep != nil {
		rep.TakeCache() // a repair reads it anew, claimed
	}
	return rep, err
}

// claimAll claims all devices, the cache first whatever their order. Those that are open are returned with an error too.
func claimAll(names []string, o change.Options, at scan) (devs []fsck.Device, open []*blockdev.Device, err error) {
	by := map[string]*blockdev.Device{}
	for i, name := range names {
		d, err := change.Open(name, o, open...)
		if err != nil {
			return nil, open, err
		}
		open = append(open, d)
		by[name] = d
		r, size := at.inside(i == 0, d, d.Size())
		devs = append(devs, fsck.Device{Name: name, R: r, Size: size, LogicalBlock: d.LogicalBlock()})
	}
	if err := app.SortDevices(devs); err != nil {
		return nil, open, err
	}
	for i, d := range devs {
		open[i] = by[d.Name]
	}
	return devs, open, nil
}

// asPlanned checks the devices once more, now that they are written, and is an error where they are not as the plan said.
// The leaves are not read again: those that were written were compared with the plan, and the others are what they were
// when it was proved.
func asPlanned(ctx context.Context, devs []fsck.Device, run fsck.Options, planned *repair.Result) error {
	run.Progress = nil
	if !run.Verify {
		run.Leaves = func(ondisk.Bucket) bool { return false }
	}
	debug.FreeOSMemory() // of the check before
	rep, err := fsck.Run(ctx, devs[0], devs[1:], run)
	if err != nil {
		return err
	}
	is, want := 0, repair.Damage(planned.After)
	for code, n := range repair.Damage(rep) {
		is += max(0, n-want[code])
	}
	if is > 0 {
		return fmt.Errorf("%s: the repair did not end as it was planned: %s of damage, first %s", devs[0].Name, app.Plural(is, "finding"), firstDamage(rep))
	}
	return nil
}

func firstDamage(rep *fsck.Report) string {
	for _, f := range rep.Findings {
		if f.Severity == finding.Damage {
			return fmt.Sprintf("%s %s", f.Code, f.Message)
		}
	}
	return ""
}
