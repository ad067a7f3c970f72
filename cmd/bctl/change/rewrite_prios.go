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
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

const rewritePriosDescription = `Reads the chain of prio sets and writes a fresh one to free buckets, with a new journal entry that leads to it. A cut at
any moment leaves the device as before or as after, and an undo file brings it back. See docs/writing.md.

With --from-btree the gens of damaged sets are made anew from the pointers in the btree and the journal: dirty data
stay, clean data in those buckets are given up.

Examples:

    bctl rewrite-prios --dry-run cache.img
    bctl rewrite-prios --from-btree /dev/nvme0n1p3
    bctl rewrite-prios --set 100-199:prio=0 --set 7:gen=3,prio=100 cache.img
`

func RewritePriosCommand() *cli.Command {
	return &cli.Command{
		Name:        "rewrite-prios",
		Usage:       "write the prio chain anew: gens and prios of all buckets",
		ArgsUsage:   "DEVICE",
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
	device    string
	sets      []prioSetting
	fromBtree bool
	force     bool
	write     change.Options
}

func readRewrite(args *app.Args, io *app.IO) (o rewriteOptions, err error) {
	if o.device, err = args.Device(); err != nil {
		return o, err
	}
	for _, s := range args.Strings("set") {
		p, err := parsePrioSetting(s)
		if err != nil {
			return o, err
		}
		o.sets = append(o.sets, p)
	}
	o.fromBtree, o.force = args.Bool("from-btree"), args.Bool("force")
	o.write, err = args.Write(io)
	return o, err
}

func rewritePrios(ctx context.Context, o rewriteOptions, tell *app.IO) error {
	dev, err := change.Open(o.device, o.write)
	if err != nil {
		return err
	}
	defer dev.Close()
	var found finding.Collector
	cache, err := app.OpenCache(ctx, o.device, dev, tell, &found)
	if err != nil {
		return err
	}
	if err := mayRewrite(o.device, cache, &found, o.fromBtree); err != nil {
		return err
	}
	r, p, err := planRewrite(o, cache)
	if err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	stage := change.Stage{Dev: dev, Plan: p, Prove: func(after io.ReaderAt) error {
		return proveRewrite(ctx, dev, after, o.force, o.write.Note)
	}}
	undo, err := change.Run(ctx, o.write, stage)
	if err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	if len(undo) > 0 {
		r.UndoFile = undo[0]
	}
	r.DryRun = o.write.DryRun
	return r.write(tell)
}

// proveRewrite has fsck check the device as it will be. Damage that it would have and does not have today is refused;
// with force it is only told.
func proveRewrite(ctx context.Context, dev change.Device, after io.ReaderAt, force bool, note func(string)) error {
	check := func(r io.ReaderAt) (map[string]bool, error) {
		rep, err := fsck.Run(ctx, fsck.Device{Name: dev.Path(), R: r, Size: dev.Size()}, nil, fsck.Options{})
		if err != nil {
			return nil, err
		}
		damage := map[string]bool{}
		for _, f := range rep.Findings {
			if f.Severity == finding.Damage {
				damage[string(f.Code)+" "+f.Message] = true
			}
		}
		return damage, nil
	}
	will, err := check(after)
	if err != nil || len(will) == 0 {
		return err
	}
	is, err := check(dev)
	if err != nil {
		return err
	}
	maps.DeleteFunc(will, func(f string, _ bool) bool { return is[f] })
	for _, f := range slices.Sorted(maps.Keys(will)) {
		if !force {
			return fmt.Errorf("nothing was written: the device would be damaged after it: %s", f)
		}
		note("--force: the device will be damaged: " + f)
	}
	return nil
}

// mayRewrite refuses a device on which a new prio chain would not help, or be built on damage.
func mayRewrite(name string, cache *inspect.Cache, found *finding.Collector, fromBtree bool) error {
	if cache.Journal == nil {
		return fmt.Errorf("%s: never registered: it has no prio chain yet", name)
	}
	chain := false
	for _, f := range found.Findings() {
		if !finding.MayRewrite(f.Code) {
			return fmt.Errorf("%s: damaged elsewhere, so nothing was written: %s %s", name, f.Code, f.Message)
		}
		row := finding.Lookup(f.Code)
		chain = chain || row.Severity == finding.Damage && row.Mend == finding.PrioChain
	}
	if chain && !fromBtree {
		return app.WithHint(fmt.Errorf("%s: the prio chain is damaged, so some gens are unknown", name), "--from-btree makes them anew")
	}
	return nil
}

// rewriteReport is what the command tells.
type rewriteReport struct {
	Device     string
	DryRun     bool
	UndoFile   string
	JournalSeq uint64
	PrioSeq    uint64
	Buckets    []ondisk.Bucket
	OldBuckets []ondisk.Bucket
	Changed    []inspect.PrioChange
	Rebuilt    []change.Rebuilt
}

func planRewrite(o rewriteOptions, cache *inspect.Cache) (*rewriteReport, *plan.Plan, error) {
	tx, err := change.Begin(cache)
	if err != nil {
		return nil, nil, err
	}
	r := &rewriteReport{Device: o.device, JournalSeq: tx.Seq()}
	if o.fromBtree {
		r.Rebuilt = tx.RebuildGens()
	}
	for _, s := range o.sets {
		if err := s.apply(tx, cache); err != nil {
			return nil, nil, err
		}
	}
	if len(o.sets) > 0 && !o.force {
		risks, err := tx.Risks()
		if err != nil {
			return nil, nil, err
		}
		if len(risks) > 0 {
			return nil, nil, riskError(risks)
		}
	}
	for _, l := range cache.Chain.Links {
		r.OldBuckets = append(r.OldBuckets, l.Bucket)
	}
	if r.Buckets, r.PrioSeq, err = tx.RewritePrios(); err != nil {
		return nil, nil, err
	}
	p, err := tx.Commit()
	if err != nil {
		return nil, nil, err
	}
	r.Changed = tx.Changes()
	return r, p, nil
}

// riskError names the first of what --force would do.
func riskError(risks []change.Risk) error {
	r := risks[0]
	what := fmt.Sprintf("bucket %d: %s", r.Bucket, r.Why)
	if r.Count > 0 {
		what += fmt.Sprintf(": volume %d, sector %d, %d sectors", r.Inode, r.Offset, r.Count)
	}
	if n := len(risks) - 1; n > 0 {
		what += fmt.Sprintf(", and %d more", n)
	}
	return app.WithHint(errors.New(what), "--force does it all the same")
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
		{Key: "rebuilt_buckets", Value: len(r.Rebuilt), Name: app.OptionalName("rebuilt gens", len(r.Rebuilt) > 0), Text: rebuiltText(r.Rebuilt)},
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

func rebuiltText(rebuilt []change.Rebuilt) string {
	counts := map[string]int{}
	for _, b := range rebuilt {
		counts[b.Mark]++
	}
	return fmt.Sprintf("%d buckets: %d dirty and %d metadata kept, %d clean given up, %d free", len(rebuilt),
		counts["dirty"], counts["metadata"], counts["clean"], counts["free"])
}

var prioChangeColumns = []render.Column[inspect.PrioChange]{
	{Name: "bucket", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.Bucket) }},
	{Name: "old_gen", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.OldGen) }},
	{Name: "gen", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.Gen) }},
	{Name: "old_prio", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.OldPrio) }},
	{Name: "prio", Num: true, Cell: func(p inspect.PrioChange) string { return fmt.Sprint(p.Prio) }},
	{Name: "mark", Cell: func(p inspect.PrioChange) string { return p.Mark }},
}

// prioSetting is one --set.
type prioSetting struct {
	first, last ondisk.Bucket
	gen, prio   *uint64
}

// parsePrioSetting reads BUCKET[-BUCKET]:gen=N,prio=N.
func parsePrioSetting(s string) (p prioSetting, err error) {
	bad := func(why string) (prioSetting, error) {
		return p, app.Usagef("--set %q: %s; want BUCKET[-BUCKET]:gen=N,prio=N", s, why)
	}
	buckets, values, ok := strings.Cut(s, ":")
	if !ok {
		return bad("no colon")
	}
	if p.first, p.last, ok = app.ParseBuckets(buckets); !ok {
		return bad("not a bucket or a range")
	}
	for v := range strings.SplitSeq(values, ",") {
		key, text, _ := strings.Cut(v, "=")
		size, to := 8, &p.gen
		switch key {
		case "gen":
		case "prio":
			size, to = 16, &p.prio
		default:
			return bad(fmt.Sprintf("unknown key %q", key))
		}
		n, err := strconv.ParseUint(text, 10, size)
		if err != nil || *to != nil {
			return bad(fmt.Sprintf("bad or second %s", key))
		}
		*to = &n
	}
	return p, nil
}

func (p prioSetting) apply(tx *change.Tx, cache *inspect.Cache) error {
	if p.first < cache.Geo.FirstBucket || p.last >= cache.Geo.NBuckets {
		return app.Usagef("--set: buckets go from %d to %d", cache.Geo.FirstBucket, cache.Geo.NBuckets-1)
	}
	for b := p.first; b <= p.last; b++ {
		if p.gen != nil {
			tx.SetGen(b, uint8(*p.gen))
		}
		if p.prio != nil {
			tx.SetPrio(b, uint16(*p.prio))
		}
	}
	return nil
}
