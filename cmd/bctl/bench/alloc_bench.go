// SPDX-License-Identifier: GPL-2.0-only

// Package bench is the commands that run the allocator: on scripts, workloads, traces, and for real on an image.
package bench

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

const allocBenchDescription = `Runs bcache's bucket allocator, decision for decision, on a model of a cache device. Nothing is written but with
--commit.

    --script FILE   prints every decision that the kernel would make on a script of operations
    --trace FILE    replays a block trace through a modelled cache, for every policy, bucket and cache size given: fio
                    iolog (2 and 3), blkparse text, MSR Cambridge, Alibaba and Tencent CSV, oracleGeneral; also in zstd
    neither         a benchmark: how fast it allocates, and what it costs. --workload alloc takes buckets and nothing
                    else; sequential, uniform, zipf[:THETA] and mixed are requests to the modelled cache

With a DEVICE the model starts from that device's gens, prios and marks instead of from an empty cache. With --commit,
which takes image files only, each prio write of the model is made for real: the prio sets, a flush, a journal entry,
a flush. A cut at any moment leaves an image that is sound; its clean data go as buckets are invalidated. As no btree
node is written, no bucket is invalidated more than 96 times.

docs/alloc.md says what the figures mean, and how to choose a policy and a bucket size from a trace.

Examples:

    bctl alloc-bench --script testdata/alloc/heap-ties.txt
    bctl alloc-bench --policy all --buckets 65536 --workload alloc --prios random
    bctl alloc-bench --workload zipf:0.9 --write-ratio 0.3 --seconds 10 /dev/nvme0n1p3
    bctl alloc-bench --commit --policy fifo --ops 5000 scratch.img
    bctl alloc-bench --trace fio.log --policy all --cache-size 1G,2G,4G --bucket 256k,1M --plot misses.svg
`

func AllocBenchCommand() *cli.Command {
	var models []string
	for _, m := range alloc.Models() {
		models = append(models, m.Name)
	}
	return &cli.Command{
		Name:        "alloc-bench",
		Usage:       "run the bucket allocator on a script, a workload or a trace",
		ArgsUsage:   "[DEVICE]",
		Description: allocBenchDescription,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "script", Usage: "print the decisions on `FILE`, an allocator script"},
			&cli.StringSliceFlag{Name: "trace", Usage: "replay the block trace in `FILE`, compressed or not; - is standard input; several, one behind the other", KeepSpace: true},
			app.Choice(&cli.StringFlag{Name: "trace-format", Usage: "the trace is `FORMAT`: " + strings.Join(blktrace.FormatNames(), ", ") + "; csv:KEY=VALUE,... says which column is what", Value: "auto"}, blktrace.FormatNames()...),
			app.Choice(&cli.StringFlag{Name: "model", Usage: "decide as Linux `VERSION`: " + strings.Join(models, ", ") + ", or the nearest of them", Value: alloc.DefaultModel().Name}, models...),
			app.Choices(&cli.StringSliceFlag{Name: "policy", Usage: "replace by `POLICY`: lru, fifo, random, several with commas, or all (default: lru); clock is proposed, in no kernel; exact-lru and belady are references without buckets"}, "lru", "fifo", "random", "all", "clock", "exact-lru", "belady"),
			&cli.StringFlag{Name: "buckets", Usage: "a cache of `N` buckets (default: 65536)"},
			&cli.StringSliceFlag{Name: "bucket", Usage: "buckets of `SIZE`; with --trace several with commas (default: 512k)"},
			&cli.StringSliceFlag{Name: "cache-size", Usage: "with --trace: a cache of `SIZE`, several with commas, or auto: fractions of the working set; instead of --buckets"},
			&cli.StringFlag{Name: "ops", Usage: "count `N` operations (default: 1000000; of a trace all)"},
			&cli.StringFlag{Name: "seconds", Usage: "count for `S` seconds instead"},
			&cli.StringFlag{Name: "warmup", Usage: "leave the first `N` operations uncounted (default: until the cache is full; of a trace 0)"},
			&cli.StringFlag{Name: "seed", Usage: "of whatever is random, `N`", Value: "1"},
			app.Choice(&cli.StringFlag{Name: "workload", Usage: "`KIND`: alloc, sequential, uniform, zipf[:THETA] or mixed", Value: "alloc"}, append([]string{"alloc"}, cachesim.WorkloadKinds...)...),
			app.Choice(&cli.StringFlag{Name: "prios", Usage: "with --workload alloc: `WHICH` prios buckets have, ties, random, or rescale each time", Value: "ties"}, cachesim.Prios...),
			&cli.StringFlag{Name: "write-ratio", Usage: "share of a workload's requests that write, `R` (default: 0.3)"},
			&cli.StringFlag{Name: "streams", Usage: "a workload of `N` volumes, each with a task of its own (default: 1)"},
			&cli.StringFlag{Name: "plot", Usage: "with --trace: draw the miss ratio over the cache size, a line a policy, to `FILE`.svg or .png"},
			&cli.BoolFlag{Name: "commit", Usage: "write the prios and the journal entries for real, to an image file that is a scratch one"},
			&cli.BoolFlag{Name: "csv", Usage: "write CSV, as --format csv"},
		}, append(pathFlagList(), sweepFlagList()...)...),
		Action: app.Action(allocBench),
	}
}

func allocBench(ctx context.Context, args *app.Args, io *app.IO) error {
	model, err := readModel(args, io)
	if err != nil {
		return err
	}
	if args.Given("script") {
		o, err := readScript(args, io, model)
		if err != nil {
			return err
		}
		return allocScript(o, io)
	}
	o, err := readBench(args, io, model)
	if err != nil {
		return err
	}
	if o.commitTo {
		return benchCommit(ctx, o, io)
	}
	if o.name != "" {
		if err := o.startFrom(ctx, io); err != nil {
			return err
		}
	}
	if len(o.traces) > 0 {
		return benchTrace(ctx, o, io)
	}
	return benchWorkload(ctx, o, io)
}

// readModel is --model. Which model stands for another version is said once.
func readModel(args *app.Args, io *app.IO) (alloc.Model, error) {
	version := args.String("model")
	model, err := alloc.ParseModel(version)
	if err != nil {
		return model, app.Usagef("--%v", err)
	}
	if version != model.Name {
		io.Note("--model %s: decides as Linux %s, the model nearest to it", version, model.Name)
	}
	return model, nil
}

// readFormat is the output format with --csv.
func readFormat(args *app.Args, io *app.IO) (render.Format, error) {
	if !args.Bool("csv") {
		return io.Format, nil
	}
	if io.Format == render.JSON || args.Given("format") && io.Format != render.CSV {
		return "", app.Usagef("--csv contradicts --format %s", io.Format)
	}
	return render.CSV, nil
}
