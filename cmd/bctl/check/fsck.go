// SPDX-License-Identifier: GPL-2.0-only

// Package check is the commands that judge devices: bctl fsck, and fsck.bcache as fsck(8) runs it.
package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const fsckDescription = `Checks a cache device, or a backing device alone. With the backing devices of the set given too, in any order, they
are checked against the cache. Every finding has a code; docs/findings.md explains each.

Only damage makes the exit code 4: what the kernel refuses, crashes on, or loses data over. Warnings and notes are
legal states worth a look, and no flag touches them unless --only names them.

Nothing is written unless -p or -y says so, or somebody at a terminal says yes. A repair is planned beside the device,
checked as if it had been carried out, and written only if no damage is left; an undo file takes it back. -p gives up
nothing that the user wrote; -y lists each dirty extent that it must give up. Losing clean extents is always allowed:
the backing device has them. docs/repair.md says what each repair takes for evidence.

Examples:

    bctl fsck /dev/nvme0n1p3
    bctl fsck --json cache.img
    bctl fsck /dev/nvme0n1p3 /dev/sda1 /dev/sdb1
    bctl fsck --verify-data cache.img back.img
    bctl fsck -p /dev/nvme0n1p3
    bctl fsck -y --lost lost.json /dev/nvme0n1p3 /dev/sda1
`

func FsckCommand() *cli.Command {
	return &cli.Command{
		Name:        "fsck",
		Usage:       "check a cache device, or a backing device",
		ArgsUsage:   "DEVICE [BACKING...]",
		Description: fsckDescription,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "verify-data", Usage: "compare clean data with the given backing devices"},
		}, repairFlags()...),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readFsck(args)
			if err != nil {
				return err
			}
			o.verify = args.Bool("verify-data")
			o.progress = io.Progress
			if o.repair, err = readRepair(args, io); err != nil {
				return err
			}
			return runFsck(ctx, o, io)
		}),
	}
}

// fsckOptions is a command line of bctl fsck, or of fsck.bcache.
type fsckOptions struct {
	devices  []string // the cache, or a backing device alone, and then backing devices
	verify   bool     // their clean data too
	progress progress.Starter
	repair   repairOptions
}

// readFsck reads what both have.
func readFsck(args *app.Args) (o fsckOptions, err error) {
	o.devices = args.Operands()
	for i, name := range o.devices {
		if slices.Contains(o.devices[:i], name) {
			return o, app.Usagef("%s is given twice", name)
		}
	}
	if len(o.devices) == 0 {
		return o, args.Wrong("no device given")
	}
	return o, nil
}

func runFsck(ctx context.Context, o fsckOptions, io *app.IO) error {
	if o.verify && len(o.devices) < 2 {
		return app.WithHint(app.Usagef("--verify-data needs the backing devices too"), "bctl fsck --verify-data DEVICE BACKING...")
	}
	run := fsck.Options{Progress: o.progress, Now: time.Now().Unix(), Verify: o.verify}
	rep, err := checkAll(ctx, o.devices, run, io)
	mend := err == nil && rep.Result == fsck.Damaged && o.repair.wants(rep)
	if errors.Is(err, superblock.ErrNotBcache) && o.repair.policy.Mode >= finding.Preen {
		mend = true // a superblock that is lost may be found
	} else if err != nil {
		return err
	}
	if !mend {
		if err := writeReport(io.Out, io.Format, rep); err != nil {
			return err
		}
		return verdict(rep)
	}
	return runRepair(ctx, o, rep, run, io)
}

// checkAll checks the devices, opened for reading.
func checkAll(ctx context.Context, names []string, run fsck.Options, io *app.IO) (*fsck.Report, error) {
	devs, closeAll, err := openAll(io, names)
	defer closeAll()
	if err != nil {
		return nil, err
	}
	return fsck.Run(ctx, devs[0], devs[1:], run)
}

func verdict(rep *fsck.Report) error {
	if rep.Result == fsck.Damaged {
		return app.ExitWith(app.ExitDamage)
	}
	return nil
}

// runRepair repairs what rep, nil where not even a superblock was found, says is damaged.
func runRepair(ctx context.Context, o fsckOptions, rep *fsck.Report, run fsck.Options, io *app.IO) error {
	if io.Format == render.Table && rep != nil {
		if err := writeReport(io.Out, io.Format, rep); err != nil {
			return err
		}
		fmt.Fprintln(io.Out)
	}
	run.Verify = false // it is about data, which no repair changes
	done, err := o.repair.mend(ctx, o.devices, run, io)
	if err != nil {
		return err
	}
	after := done.result.After
	if !done.written && rep != nil {
		after = rep
	}
	if io.Format != render.Table {
		err = writeReport(io.Out, io.Format, after, done.view()...)
	} else {
		fmt.Fprint(io.Out, done.text())
	}
	switch {
	case err != nil:
		return err
	case !done.written:
		return app.ExitWith(app.ExitDamage)
	case after.Result == fsck.Damaged:
		return app.ExitWith(app.ExitRepaired | app.ExitDamage)
	}
	return app.ExitWith(app.ExitRepaired)
}

var findingColumns = []render.Column[finding.Finding]{
	{Name: "severity", Cell: func(f finding.Finding) string { return string(f.Severity) }},
	{Name: "code", Cell: func(f finding.Finding) string { return string(f.Code) }},
	{Name: "message", Cell: func(f finding.Finding) string { return f.Message }},
	{Name: "device", Raw: func(f finding.Finding) string { return f.Device }},
	{Name: "bucket", Raw: func(f finding.Finding) string { return optional(f.Bucket) }},
	{Name: "sector", Raw: func(f finding.Finding) string { return optional(f.Sector) }},
	{Name: "inode", Raw: func(f finding.Finding) string { return optional(f.Inode) }},
	{Name: "offset_sectors", Raw: func(f finding.Finding) string { return optional(f.OffsetSectors) }},
	{Name: "sectors", Raw: func(f finding.Finding) string { return optional(f.Sectors) }},
}

func optional(n *uint64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// writeReport writes a report, and in JSON more fields behind it.
func writeReport(w io.Writer, format render.Format, rep *fsck.Report, more ...render.Field) error {
	view := render.View[finding.Finding]{
		Head: []render.Field{
			{Key: "device", Value: rep.Device}, {Key: "type", Value: rep.Type}, {Key: "result", Value: rep.Result},
			{Key: "devices", Value: rep.Devices},
		},
		Key:     "findings",
		Columns: findingColumns,
		Rows: func(yield func(finding.Finding, error) bool) {
			for _, f := range rep.Findings {
				if !yield(f, nil) {
					return
				}
			}
		},
		Limit: -1,
		Tail: func() []render.Field {
			return append([]render.Field{{Key: "summary", Value: rep.Summary}}, more...)
		},
	}
	if format != render.Table {
		return render.Write(w, format, view)
	}
	if len(rep.Findings) > 0 {
		view.Head, view.Tail = nil, nil
		if err := render.Write(w, format, view); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	_, err := io.WriteString(w, reportText(rep)+pairText(rep)+advice(rep))
	return err
}

// advice is the way out, as far as there is one.
func advice(rep *fsck.Report) string {
	chain, other := false, false
	for _, f := range rep.Findings {
		if f.Severity == finding.Damage {
			isChain := strings.HasPrefix(string(f.Code), "PR")
			chain, other = chain || isChain, other || !isChain
		}
	}
	switch {
	case other:
		return "\nbctl fsck -p repairs what it can without giving up anything you wrote; bctl fsck -y repairs everything it can.\n" +
			"Keep the kernel away from the device until then, and copy it first if you can.\n"
	case chain:
		return fmt.Sprintf("\nOnly the prio chain is damaged: bctl rewrite-prios --from-btree %s makes it anew, and can be undone.\n", rep.Device)
	}
	return ""
}

// reportText is the check's result for people.
func reportText(rep *fsck.Report) string {
	var b strings.Builder
	counts := map[finding.Severity]int{}
	for _, f := range rep.Findings {
		counts[f.Severity]++
	}
	fmt.Fprintf(&b, "%s: %s device, %s", rep.Device, rep.Type, rep.Result)
	for _, s := range []finding.Severity{finding.Damage, finding.Warning, finding.Note} {
		if n := counts[s]; n > 0 {
			fmt.Fprintf(&b, ", %s", app.Plural(n, string(s)))
		}
	}
	fmt.Fprintln(&b)
	s := rep.Summary
	if s == nil {
		return b.String()
	}
	if s.Journal.Entries == 0 && rep.Result == fsck.Clean {
		fmt.Fprintf(&b, "  never registered: %d buckets, all free\n", s.Buckets.Total)
		return b.String()
	}
	fmt.Fprintf(&b, "  buckets  %d: %d free, %d clean, %d dirty, %d metadata\n", s.Buckets.Total, s.Buckets.Free, s.Buckets.Clean, s.Buckets.Dirty, s.Buckets.Metadata)
	fmt.Fprintf(&b, "  btree    %s, depth %d: %d extents with %s, %d stale\n", app.Plural(s.Btree.Nodes, "node"), s.Btree.Depth,
		s.Btree.Extents, app.Human(uint64(s.Btree.LiveSectors)), s.Btree.StaleExtents)
	fmt.Fprintf(&b, "  journal  entry %d, %d live\n", s.Journal.Seq, s.Journal.Entries)
	for _, v := range s.Volumes {
		name := "no slot"
		switch {
		case v.UUID == nil:
		case *v.UUID == ondisk.InvalidUUID.String():
			name = "invalidated slot"
		default:
			name = *v.UUID
		}
		if v.Label != "" {
			name += fmt.Sprintf(" %q", v.Label)
		}
		if v.FlashOnly {
			name += ", flash-only"
		}
		fmt.Fprintf(&b, "  volume   %d, %s: %s cached, %s dirty\n", v.Inode, name, app.Human(uint64(v.LiveSectors)), app.Human(uint64(v.DirtySectors)))
	}
	return b.String()
}
