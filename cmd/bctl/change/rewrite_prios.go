// SPDX-License-Identifier: GPL-2.0-only

// Package change is the commands that change a cache in place, and the one that takes it back.
package change

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

const rewritePriosDescription = `Reads the chain of prio sets and writes a fresh one to free buckets, with a new journal entry that leads to it. A cut at
any moment leaves the device as before or as after, and an undo file brings it back. See docs/writing.md.

With --from-btree the gens of damaged sets are made anew from the pointers in the btree and the journal: dirty data
stay, clean data in those buckets are given up. Dirty data whose bucket had gone on were written back once and are old,
but only the lost gens told which they are: such data come back, and are listed. Where the BACKING devices are given
they are compared, and what these hold already is left stale. Where the cache is so full that the kernel could not
start, clean buckets are given up, those first that were longest unused.

Before anything is written, a whole fsck checks the device as it will be.

Examples:

    bctl rewrite-prios --dry-run cache.img
    bctl rewrite-prios --from-btree /dev/nvme0n1p3 /dev/sdb
    bctl rewrite-prios --set 100-199:prio=0 --set 7:gen=3,prio=100 cache.img
`

func RewritePriosCommand() *cli.Command {
	return &cli.Command{
		Name:        "rewrite-prios",
		Usage:       "write the prio chain anew: gens and prios of all buckets",
		ArgsUsage:   "DEVICE [BACKING...]",
		Description: rewritePriosDescription,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "set", Usage: "set `BUCKET[-BUCKET]:gen=N,prio=N`; may be repeated"},
			&cli.BoolFlag{Name: "from-btree", Usage: "make the gens of damaged sets from the pointers"},
			&cli.BoolFlag{Name: "force", Usage: "set gens even where that loses data or brings stale data back"},
		}, app.WriteFlags()...),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readRewrite(args, io)
			if err != nil {
				return err
			}
			return rewritePrios(ctx, o, io)
		}),
	}
}

// rewriteOptions is a command line of rewrite-prios.
type rewriteOptions struct {
	device  string
	backing []string
	prios   repair.PrioOptions
	write   change.Options
}

func readRewrite(args *app.Args, io *app.IO) (o rewriteOptions, err error) {
	operands := args.Operands()
	if len(operands) == 0 {
		return o, args.Wrong("no device given")
	}
	o.device, o.backing = operands[0], operands[1:]
	for _, s := range args.Strings("set") {
		p, err := parsePrioSetting(s)
		if err != nil {
			return o, err
		}
		o.prios.Sets = append(o.prios.Sets, p)
	}
	o.prios.FromBtree, o.prios.Force = args.Bool("from-btree"), args.Bool("force")
	if !o.prios.FromBtree && len(o.backing) > 0 {
		return o, args.Wrong("extra argument " + strings.Join(o.backing, " ") + ": backing devices are compared with --from-btree")
	}
	o.write, err = args.Write(io)
	return o, err
}

func rewritePrios(ctx context.Context, o rewriteOptions, tell *app.IO) error {
	dev, err := change.Open(o.device, o.write)
	if err != nil {
		return err
	}
	defer dev.Close()
	for _, name := range o.backing {
		d, err := app.OpenDevice(tell, name)
		if err != nil {
			return err
		}
		defer d.Close()
		o.prios.Backing = append(o.prios.Backing, fsck.Device{Name: name, R: d, Size: d.Size()})
	}
	var found finding.Collector
	cache, err := app.OpenCache(ctx, o.device, dev, tell, &found)
	if err != nil {
		return err
	}
	if err := o.inRange(cache); err != nil {
		return err
	}
	planned, err := repair.PlanPrios(cache, found.Findings(), o.prios)
	if err != nil {
		return prioHint(fmt.Errorf("%s: %w", o.device, err))
	}
	stage := change.Stage{Dev: dev, Plan: planned.Plan, Prove: func(after io.ReaderAt) error {
		passed, err := repair.Prove(ctx, fsck.Device{Name: o.device, R: dev, Size: dev.Size()}, after, o.prios.Force)
		for _, f := range passed {
			tell.Note("--force: the device will be damaged: %s", f)
		}
		return err
	}}
	undo, err := change.Run(ctx, o.write, stage)
	if err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	r := &rewriteReport{Prios: planned, Device: o.device, DryRun: o.write.DryRun, cache: cache}
	if len(undo) > 0 {
		r.UndoFile = undo[0]
	}
	return r.write(tell)
}

// prioHint adds the way out.
func prioHint(err error) error {
	switch {
	case errors.Is(err, repair.ErrUnknownGens):
		return app.WithHint(err, "--from-btree makes them anew")
	case errors.Is(err, repair.ErrRisk):
		return app.WithHint(err, "--force does it all the same")
	}
	return err
}

// rewriteReport is what the command tells.
type rewriteReport struct {
	*repair.Prios
	Device   string
	DryRun   bool
	UndoFile string

	cache *inspect.Cache
}

// An unsureRow is dirty data of one volume in one bucket.
type unsureRow struct {
	repair.Unsure
	UUID *string `json:"uuid"`
}

func (r *rewriteReport) unsure(list []repair.Unsure) []unsureRow {
	out := []unsureRow{}
	for _, u := range list {
		out = append(out, unsureRow{u, r.uuidOf(u.Inode)})
	}
	return out
}

func (r *rewriteReport) uuidOf(inode uint32) *string {
	for _, v := range r.cache.Volumes {
		if v.Inode == inode {
			return v.UUID()
		}
	}
	return nil
}

// sumOf is the dirty data of a list, for each volume.
func (r *rewriteReport) sumOf(list []repair.Unsure) string {
	buckets, sums := map[ondisk.Bucket]bool{}, map[uint32]ondisk.Sector{}
	for _, u := range list {
		buckets[u.Bucket] = true
		sums[u.Inode] += u.Sectors
	}
	var parts []string
	for _, inode := range slices.Sorted(maps.Keys(sums)) {
		name := fmt.Sprintf("volume %d", inode)
		if id := r.uuidOf(inode); id != nil {
			name += " " + *id
		}
		parts = append(parts, fmt.Sprintf("%d sectors of %s", sums[inode], name))
	}
	return fmt.Sprintf("%s: %s", app.Plural(len(buckets), "bucket"), strings.Join(parts, ", "))
}

func (r *rewriteReport) write(io *app.IO) error {
	undo := any(r.UndoFile)
	if r.UndoFile == "" {
		undo = nil
	}
	done := "written"
	if r.DryRun {
		done = "would be written"
	}
	fields := []render.Field{
		{Key: "device", Value: r.Device, Name: "device"},
		{Key: "dry_run", Value: r.DryRun},
		{Key: "prio_buckets", Value: r.Buckets, Name: "prio chain", Text: fmt.Sprintf("buckets %v, seq %d, %s", r.Buckets, r.PrioSeq, done)},
		{Key: "old_prio_buckets", Value: append([]ondisk.Bucket{}, r.OldBuckets...), Name: "before", Text: fmt.Sprintf("buckets %v", r.OldBuckets)},
		{Key: "prio_seq", Value: r.PrioSeq},
		{Key: "journal_seq", Value: r.JournalSeq, Name: "journal entry"},
		{Key: "rebuilt_buckets", Value: len(r.Gens.Rebuilt), Name: app.OptionalName("rebuilt gens", len(r.Gens.Rebuilt) > 0), Text: r.rebuiltText()},
		{Key: "unconfirmed", Value: r.unsure(r.Gens.Unsure), Name: app.OptionalName("unconfirmed", len(r.Gens.Unsure) > 0), Text: r.sumOf(r.Gens.Unsure) + "; dirty, perhaps old"},
		{Key: "left_stale", Value: r.unsure(r.Gens.Held), Name: app.OptionalName("left stale", len(r.Gens.Held) > 0), Text: r.sumOf(r.Gens.Held) + "; the backing device holds the same"},
		{
			Key: "given_up", Value: append([]ondisk.Bucket{}, r.GivenUp...), Name: app.OptionalName("given up", len(r.GivenUp) > 0),
			Text: app.Plural(len(r.GivenUp), "clean bucket") + ", longest unused, for the kernel's reserve",
		},
		{Key: "undo_file", Value: undo, Name: app.OptionalName("undo file", r.UndoFile != ""), Text: r.UndoFile},
	}
	view := render.View[inspect.PrioChange]{
		Head: fields, Key: "changes",
		Rows: func(yield func(inspect.PrioChange, error) bool) {
			for _, ch := range r.Changed {
				if !yield(ch, nil) {
					return
				}
			}
		},
		Columns: prioChangeColumns, Limit: shownChanges,
	}
	if err := render.Write(io.Out, io.Format, view); err != nil {
		return err
	}
	if n := len(r.Changed) - shownChanges; n > 0 && io.Format == render.Table {
		io.Note("%d more buckets change, --json lists all", n)
	}
	return nil
}

// shownChanges is how many changed buckets a table lists.
const shownChanges = 20

func (r *rewriteReport) rebuiltText() string {
	counts := map[string]int{}
	for _, b := range r.Gens.Rebuilt {
		counts[b.Mark]++
	}
	held := map[ondisk.Bucket]bool{}
	for _, u := range r.Gens.Held {
		held[u.Bucket] = true
	}
	return fmt.Sprintf("%d buckets: %d dirty and %d metadata kept, %d clean given up, %d free", len(r.Gens.Rebuilt),
		counts["dirty"]-len(held), counts["metadata"], counts["clean"]+len(held), counts["free"])
}

var prioChangeColumns = []render.Column[inspect.PrioChange]{
	{Name: "bucket", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.Bucket) }},
	{Name: "old_gen", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.OldGen) }},
	{Name: "gen", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.Gen) }},
	{Name: "old_prio", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.OldPrio) }},
	{Name: "prio", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.Prio) }},
	{Name: "mark", Cell: func(p inspect.PrioChange) string { return p.Mark }},
}

// parsePrioSetting reads one --set: BUCKET[-BUCKET]:gen=N,prio=N.
func parsePrioSetting(s string) (p repair.PrioSetting, err error) {
	bad := func(why string) (repair.PrioSetting, error) {
		return p, app.Usagef("--set %q: %s; want BUCKET[-BUCKET]:gen=N,prio=N", s, why)
	}
	buckets, values, ok := strings.Cut(s, ":")
	if !ok {
		return bad("no colon")
	}
	if p.First, p.Last, ok = app.ParseBuckets(buckets); !ok {
		return bad("not a bucket or a range")
	}
	for v := range strings.SplitSeq(values, ",") {
		key, text, _ := strings.Cut(v, "=")
		size, again := 8, p.Gen != nil
		switch key {
		case "gen":
		case "prio":
			size, again = 16, p.Prio != nil
		default:
			return bad(fmt.Sprintf("unknown key %q", key))
		}
		n, err := strconv.ParseUint(text, 10, size)
		if err != nil || again {
			return bad(fmt.Sprintf("bad or second %s", key))
		}
		if gen, prio := uint8(n), uint16(n); key == "gen" {
			p.Gen = &gen
		} else {
			p.Prio = &prio
		}
	}
	return p, nil
}

// inRange refuses settings of buckets that have no gen.
func (o *rewriteOptions) inRange(cache *inspect.Cache) error {
	for _, s := range o.prios.Sets {
		if s.First < cache.Geo.FirstBucket || s.Last >= cache.Geo.NBuckets {
			return app.Usagef("--set: buckets go from %d to %d", cache.Geo.FirstBucket, cache.Geo.NBuckets-1)
		}
	}
	return nil
}
