// SPDX-License-Identifier: GPL-2.0-only

// Package practice is the commands for people who want to learn without a device at stake.
package practice

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

const demoDescription = `Formats a scratch image as a complete cache device, lets the bucket allocator hand out its buckets with prio writes for
real, shows its superblock, its buckets and their map, and checks it. Each command is printed before it runs. The image
is sparse, and removed in the end.

Examples:

    bctl demo
`

// A Run runs a command line in this process, args[0] and all, and returns its exit code.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) int

// DemoCommand is demo, which runs bctl's other commands with run.
func DemoCommand(run Run) *cli.Command {
	return &cli.Command{
		Name:        "demo",
		Usage:       "show what bctl does, on a scratch image",
		Description: demoDescription,
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			if err := args.AtMost(0); err != nil {
				return err
			}
			if io.Format != render.Table {
				return app.Usagef("demo is for people: it has no %s", io.Format)
			}
			return demo(ctx, io, run)
		}),
	}
}

// demoSteps are the command lines; IMAGE becomes the scratch image. 1024 buckets are more than the kernel's
// least, and few enough for a map that fits a screen.
var demoSteps = []string{
	"format --init --cache IMAGE --size 64M --bucket 64k --label demo",
	"alloc-bench --commit --policy fifo --ops 400 IMAGE",
	"show-super IMAGE",
	"show-prios IMAGE",
	"show-buckets --summary IMAGE",
	"show-buckets --limit 8 IMAGE",
	"show-buckets --map IMAGE",
	"fsck IMAGE",
}

// demo runs them as if each were typed.
func demo(ctx context.Context, io *app.IO, run Run) error {
	dir, err := os.MkdirTemp("", "bctl-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "cache.img")
	for i, step := range demoSteps {
		if i > 0 {
			fmt.Fprintln(io.Out)
		}
		args := append([]string{"bctl"}, strings.Fields(strings.ReplaceAll(step, "IMAGE", image))...)
		fmt.Fprintf(io.Out, "$ %s\n", strings.Join(args, " "))
		args = append(args, "--color", io.Color)
		if io.Quiet {
			args = append(args, "--quiet")
		}
		if code := run(ctx, args, io.Out, io.Err); code != app.ExitFine {
			return app.ExitWith(code)
		}
	}
	return nil
}
