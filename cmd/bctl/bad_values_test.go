// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
)

// freeValues are what flags take any text for: names of files and devices, labels, and the volume that is looked for.
var freeValues = []string{"FILE", "DEV", "DEV...", "DEVICE", "DIR", "LABEL", "BACKING"}

// freeFlags take any text, though what stands for it in help says otherwise: what does not exist is looked for.
var freeFlags = []string{"export --volume"}

// valueLines are what a flag needs beside it, by the command, or by command and flag. The devices do not exist: what is
// wrong with a command line is found before they are opened.
var valueLines = map[string]string{
	"list": "list x", "show-super": "show-super x", "show-buckets": "show-buckets x", "show-prios": "show-prios x",
	"show-journal": "show-journal --rewind x", "fsck": "fsck -y x", "explain": "explain PR01", "rewrite-prios": "rewrite-prios x",
	"undo": "undo x", "super": "super find x", "uuid": "uuid relink x y", "uuid --inode": "uuid relink x y",
	"uuid --prefer": "uuid relink --merge --inode 0 x y", "tune": "tune x", "hold": "hold x", "release": "release x",
	"export": "export x y -o z", "writeback": "writeback x y", "writeback --inode": "writeback --to y x", "detach": "detach x y",
	"report": "report x -o z", "explore": "explore x", "check-pair": "check-pair x y", "show-uuids": "show-uuids x",
	"show-btree": "show-btree x", "show-extents": "show-extents x", "alloc-bench": "alloc-bench", "generate": "generate z",
	"metadata-size": "metadata-size", "demo": "demo", "image": "image x -o z", "domain": "domain --dirty x", "completion": "completion bash",
	"format": "format -B x", "format --size": "format -C x", "metadata-size --bucket": "metadata-size --size 1T", "metadata-size --block": "metadata-size --size 1T",
	"metadata-size --extents": "metadata-size --size 1T", "alloc-bench --write-ratio": "alloc-bench --workload uniform", "alloc-bench --streams": "alloc-bench --workload uniform",
	"alloc-bench --writeback-percent": "alloc-bench --workload uniform --cache-mode writeback",
}

// lineFor is the line that a flag is tried behind.
func lineFor(command, flag string) []string {
	line := cmp.Or(valueLines[command+" "+flag], valueLines[command])
	switch {
	case command == "fsck" && slices.Contains([]string{"--offset", "--bucket", "--block", "--first-bucket", "--nbuckets", "--set-uuid", "--data-offset"}, flag):
		line += " --scan"
	case command == "alloc-bench" && slices.Contains([]string{"--trace-format", "--cache-size", "--sample", "--seeds", "--volumes", "--interval", "--columns", "--plot-metric"}, flag):
		line += " --trace x"
		if flag != "--cache-size" {
			line += " --cache-size 1G"
		}
		if flag == "--plot-metric" {
			line += " --plot z.svg"
		}
	}
	return strings.Fields(line)
}

// Every flag of every command that does not take any text refuses what it cannot take: in the first words of one line, and
// with what it would take.
func TestBadValues(t *testing.T) {
	t.Chdir(t.TempDir())
	takes := regexp.MustCompile(`[Nn]ot (an? |one of|of |table|auto|old\b|lru|the number)|want |no number|no damage of|known|is too large: at most \d+|at least \d+`)
	tried := 0
	for _, cmd := range allCommands() {
		for _, f := range append(slices.Clone(cmd.Flags), bctlFlags()...) {
			flag := app.FlagName(f.Names()[0])
			doc, ok := f.(cli.DocGenerationFlag)
			if !ok || !doc.TakesValue() {
				continue
			}
			_, rest, _ := strings.Cut(doc.GetUsage(), "`")
			what, _, _ := strings.Cut(rest, "`")
			if slices.Contains(freeValues, what) || slices.Contains(freeFlags, cmd.Name+" "+flag) {
				continue
			}
			for _, bad := range []string{"frobnicate", "-1", ""} {
				word := flag + "=" + bad
				args := append(lineFor(cmd.Name, flag), word)
				if !strings.HasPrefix(flag, "--") {
					args = append(args[:len(args)-1], flag, bad)
				}
				tried++
				got := bctl(args...)
				apptest.WantLine(t, strings.Join(args, " "), got, app.ExitUsage)
				if first, _, _ := strings.Cut(got.Stderr, "\n"); !strings.HasPrefix(first, "bctl: "+flag) || !takes.MatchString(first) {
					t.Errorf("%s: %q names not the flag and what it takes", strings.Join(args, " "), first)
				}
			}
		}
	}
	if tried < 300 {
		t.Errorf("%d flags and values", tried)
	}
}

// bctlFlags are those that every command takes.
func bctlFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Usage: "`FORMAT`"},
		&cli.StringFlag{Name: "color", Usage: "`WHEN`"},
	}
}
