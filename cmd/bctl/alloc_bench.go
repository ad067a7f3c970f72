package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/alloc"
	"bctl/internal/render"
)

const allocBenchDescription = `Runs bcache's bucket allocator, decision for decision, on a model of a cache device. Nothing is written but with
--commit.

    --script FILE   prints every decision that the kernel would make on a script of operations
    --trace FILE    replays a block trace through a modelled cache, for every policy, bucket and cache size given: fio
                    iolog (2 and 3), blkparse text, MSR Cambridge, Alibaba and Tencent CSV, oracleGeneral; also in zstd
    neither         a benchmark: how fast it allocates, and what it costs. --workload alloc takes buckets and nothing
                    else; sequential, uniform, zipf[:THETA] and mixed are requests to the modelled cache

With a DEVICE the model starts from that device's gens, prios and marks instead of from an empty cache.

docs/alloc.md says what the figures mean, and how to choose a policy and a bucket size from a trace.

Examples:

    bctl alloc-bench --script testdata/alloc/heap-ties.txt
    bctl alloc-bench --policy all --buckets 65536 --workload alloc --prios random
    bctl alloc-bench --workload zipf:0.9 --write-ratio 0.3 --seconds 10 /dev/nvme0n1p3
    bctl alloc-bench --trace fio.log --policy all --cache-size 1G,2G,4G --bucket 256k,1M --plot misses.svg
`

func allocBenchCommand() *cli.Command {
	var models []string
	for _, m := range alloc.Models() {
		models = append(models, m.Name)
	}
	return &cli.Command{
		Name:        "alloc-bench",
		Usage:       "run the bucket allocator on a script, a workload or a trace",
		ArgsUsage:   "[DEVICE]",
		Description: allocBenchDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "script", Usage: "print the decisions on `FILE`, an allocator script"},
			&cli.StringFlag{Name: "model", Usage: "decide as Linux `VERSION`: " + strings.Join(models, ", "), Value: alloc.DefaultModel().Name},
		},
		Action: allocBench,
	}
}

func allocBench(c *cli.Context) error {
	model, err := alloc.ParseModel(c.String("model"))
	if err != nil {
		return usagef("--%v", err)
	}
	if c.IsSet("script") {
		return allocScript(c, model)
	}
	return usagef("nothing to do")
}

// refuse refuses the flags among names that are given together with the flag what, which leaves them no meaning.
func refuse(c *cli.Context, what string, names ...string) error {
	for _, name := range names {
		if c.IsSet(name) {
			return usagef("--%s contradicts %s", name, what)
		}
	}
	return nil
}

// benchFormat is outputFormat with --csv.
func benchFormat(c *cli.Context) (render.Format, error) {
	format := outputFormat(c)
	if !c.Bool("csv") {
		return format, nil
	}
	if format == render.JSON || c.IsSet("format") && format != render.CSV {
		return "", usagef("--csv contradicts --format %s", format)
	}
	return render.CSV, nil
}

// allFlags are the names of all flags of alloc-bench but those of a list.
func allFlagsBut(c *cli.Context, but ...string) (names []string) {
	for _, f := range c.Command.Flags {
		if name := f.Names()[0]; !slices.Contains(but, name) {
			names = append(names, name)
		}
	}
	return names
}
