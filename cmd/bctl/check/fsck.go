// SPDX-License-Identifier: GPL-2.0-only

// Package check is the commands that judge devices: bctl fsck, and fsck.bcache as fsck(8) runs it.
package check

import (
	"context"
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
)

const fsckDescription = `Checks a cache device, or a backing device alone, and never writes to it. With the backing devices of the set
given too, in any order, they are checked against the cache. Every finding has a code; docs/findings.md explains each.

Only damage makes the exit code 4: what the kernel refuses, crashes on, or loses data over. Warnings and notes are
legal states worth a look.

Examples:

    bctl fsck /dev/nvme0n1p3
    bctl fsck --json cache.img
    bctl fsck /dev/nvme0n1p3 /dev/sda1 /dev/sdb1
    bctl fsck --verify-data cache.img back.img
`

func FsckCommand() *cli.Command {
	return &cli.Command{
		Name:        "fsck",
		Usage:       "check a cache device, or a backing device",
		ArgsUsage:   "DEVICE [BACKING...]",
		Description: fsckDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-action", Aliases: []string{"n"}, Usage: "check only: the default"},
			&cli.BoolFlag{Name: "preen", Aliases: []string{"p"}, Usage: "repair what is safe (refused: bctl cannot repair yet)"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "repair everything (refused: bctl cannot repair yet)"},
			&cli.BoolFlag{Name: "verify-data", Usage: "compare clean data with the given backing devices"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readFsck(args)
			if err != nil {
				return err
			}
			o.verify = args.Bool("verify-data")
			o.progress = io.Progress
			return runFsck(ctx, o, io)
		}),
	}
}

// fsckOptions is a command line of bctl fsck, or of fsck.bcache.
type fsckOptions struct {
	devices  []string // the cache, or a backing device alone, and then backing devices
	verify   bool     // their clean data too
	progress progress.Starter
}

// readFsck reads what both have.
func readFsck(args *app.Args) (o fsckOptions, err error) {
	for _, name := range []string{"preen", "yes"} {
		if args.Bool(name) {
			return o, app.WithHint(app.Usagef("%s: bctl cannot repair yet, it only checks", app.FlagName(name)), "run it without the flag")
		}
	}
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
	devs, closeAll, err := openAll(io, o.devices)
	defer closeAll()
	if err != nil {
		return err
	}
	rep, err := fsck.Run(ctx, devs[0], devs[1:], fsck.Options{Progress: o.progress, Now: time.Now().Unix(), Verify: o.verify})
	if err != nil {
		return err
	}
	if err := writeReport(io.Out, io.Format, rep); err != nil {
		return err
	}
	if rep.Result == fsck.Damaged {
		return app.ExitWith(app.ExitDamage)
	}
	return nil
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

func writeReport(w io.Writer, format render.Format, rep *fsck.Report) error {
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
		Tail:  func() []render.Field { return []render.Field{{Key: "summary", Value: rep.Summary}} },
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
		return "\nbctl cannot repair this yet. Keep the kernel away from the device, and copy it before anything else;\n" +
			"docs/findings.md says what each code means for the data.\n"
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
