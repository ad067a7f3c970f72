// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
	"bctl/prio"
)

const showPriosDescription = `Shows the chain of prio sets: where each stands, which buckets it covers, and how many of the gens and prios in it
differ from what the btree and the journal imply. Such differences are normal: the kernel writes the chain only when
it needs new buckets.

Examples:

    bctl show-prios cache.img
    bctl show-prios --json /dev/nvme0n1p3
    bctl show-prios --raw cache.img | less
`

func ShowPriosCommand() *cli.Command {
	return &cli.Command{
		Name:        "show-prios",
		Usage:       "show the chain of prio sets",
		ArgsUsage:   "DEVICE",
		Description: showPriosDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "raw", Usage: "the bytes of each set, beside what they mean"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readPrios(args, io)
			if err != nil {
				return err
			}
			return showPrios(ctx, o, io)
		}),
	}
}

// priosOptions is a command line of show-prios.
type priosOptions struct {
	device string
	raw    bool
}

func readPrios(args *app.Args, io *app.IO) (o priosOptions, err error) {
	if o.raw = args.Bool("raw"); o.raw && io.Format != render.Table {
		return o, app.Usagef("--raw is text: it contradicts --format %s", io.Format)
	}
	o.device, err = args.Device()
	return o, err
}

func showPrios(ctx context.Context, o priosOptions, io *app.IO) error {
	return app.ShowCache(ctx, o.device, io, func(cache *inspect.Cache) error {
		if o.raw {
			return writeRawPrios(io.Out, cache)
		}
		return render.Write(io.Out, io.Format, priosView(o.device, cache))
	})
}

func priosView(name string, cache *inspect.Cache) render.View[inspect.PrioRow] {
	return render.View[inspect.PrioRow]{
		Head: []render.Field{{Key: "device", Value: name}, {Key: "prios_per_bucket", Value: cache.Geo.PriosPerBucket()}},
		Key:  "sets",
		Rows: func(yield func(inspect.PrioRow, error) bool) {
			for _, r := range cache.PrioRows() {
				if !yield(r, nil) {
					return
				}
			}
		},
		Limit: -1,
		Columns: []render.Column[inspect.PrioRow]{
			{Name: "set", Num: true, Cell: func(r inspect.PrioRow) string { return fmt.Sprint(r.Set) }},
			{Name: "bucket", Num: true, Cell: func(r inspect.PrioRow) string { return fmt.Sprint(r.Bucket) }},
			{Name: "seq", Num: true, Cell: func(r inspect.PrioRow) string { return r.Seq.String() }, Has: func(r inspect.PrioRow) bool { return r.Seq.Known }},
			{Name: "next", Num: true, Cell: func(r inspect.PrioRow) string { return r.Next.String() }, Has: func(r inspect.PrioRow) bool { return r.Next.Known }},
			{Name: "csum", Cell: func(r inspect.PrioRow) string { return r.Csum }},
			{Name: "first", Num: true, Cell: func(r inspect.PrioRow) string { return fmt.Sprint(r.First) }},
			{Name: "last", Num: true, Cell: func(r inspect.PrioRow) string { return fmt.Sprint(r.Last) }},
			{Name: "gens_differ", Num: true, Cell: func(r inspect.PrioRow) string { return r.GensDiffer.String() }, Has: func(r inspect.PrioRow) bool { return r.GensDiffer.Known }},
			{Name: "prios_differ", Num: true, Cell: func(r inspect.PrioRow) string { return r.PriosDiffer.String() }, Has: func(r inspect.PrioRow) bool { return r.PriosDiffer.Known }},
			{Name: "trouble", Cell: func(r inspect.PrioRow) string { return r.Error }},
		},
	}
}

// writeRawPrios dumps each set: its header's words, then an entry a line.
func writeRawPrios(w io.Writer, cache *inspect.Cache) error {
	g := &cache.Geo
	for i, l := range cache.Chain.Links {
		set, err := prio.Read(cache.Reader(), g, l.Bucket)
		fmt.Fprintf(w, "set %d, bucket %d, byte %d\n", i, l.Bucket, g.Start(l.Bucket).Bytes())
		if set == nil {
			fmt.Fprintf(w, "  %v\n", err)
			continue
		}
		head := set.Append(nil)[:ondisk.PrioSetBytes]
		for _, f := range []struct {
			from, to int
			text     string
		}{
			{0, 8, fmt.Sprintf("csum         %#016x %s", set.Csum, csumText(err))},
			{8, 16, fmt.Sprintf("magic        %#016x", set.Magic)},
			{16, 24, fmt.Sprintf("seq          %d", set.Seq)},
			{24, 28, fmt.Sprintf("version      %d", set.Version)},
			{28, 32, fmt.Sprintf("pad          %d", set.Pad)},
			{32, 40, fmt.Sprintf("next_bucket  %d", set.NextBucket)},
		} {
			fmt.Fprintf(w, "  %6d  %-16s  %s\n", f.from, hex.EncodeToString(head[f.from:f.to]), f.text)
		}
		for k, e := range set.Data[:l.Count] {
			raw := []byte{byte(e.Prio), byte(e.Prio >> 8), e.Gen}
			if _, err := fmt.Fprintf(w, "  %6d  %-16s  bucket %d: prio %d, gen %d\n", ondisk.PrioSetBytes+3*k, hex.EncodeToString(raw), int(l.First)+k, e.Prio, e.Gen); err != nil {
				return err
			}
		}
	}
	return nil
}

func csumText(err error) string {
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return "(ok)"
}
