// SPDX-License-Identifier: GPL-2.0-only

// Package practice is the commands for people who want to learn without a device at stake.
package practice

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

const demoDescription = `Formats a scratch image as a complete cache device, lets the bucket allocator hand out its buckets with prio writes for
real, shows its superblock, its buckets and their map, and checks it. Each command is printed before it runs. The image
is sparse, and removed in the end.

With --damage the image is a used cache. A damage of the catalogue is planted into it, one that shows the code (CODE:2 is
the second of them); fsck then says what it finds, what can be repaired is repaired, and the repair is taken back again.

Examples:

    bctl demo
    bctl demo --damage PR01
`

// A Run runs a command line in this process, args[0] and all, and returns its exit code.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) int

// DemoCommand is demo, which runs bctl's other commands with run.
func DemoCommand(run Run) *cli.Command {
	return &cli.Command{
		Name:        "demo",
		Usage:       "show what bctl does, on a scratch image",
		Description: demoDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "damage", Usage: "damage the image before your eyes, so that `CODE[:N]` shows"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			if err := args.AtMost(0); err != nil {
				return err
			}
			if io.Format != render.Table {
				return app.Usagef("demo is for people: it has no %s", io.Format)
			}
			var wishes []wish
			if args.Given("damage") {
				var err error
				if wishes, err = readWishes([]string{args.String("damage")}); err != nil {
					return err
				}
			}
			return demo(ctx, io, run, wishes)
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
func demo(ctx context.Context, io *app.IO, run Run, wishes []wish) error {
	dir, err := os.MkdirTemp("", "bctl-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{io: io, run: run, image: filepath.Join(dir, "cache.img"), undo: filepath.Join(dir, "undo")}
	if len(wishes) > 0 {
		return s.damage(ctx, wishes[0])
	}
	for _, step := range demoSteps {
		if err := s.step(ctx, step, app.ExitFine); err != nil {
			return err
		}
	}
	return nil
}

// stage is where a demo plays.
type stage struct {
	io          *app.IO
	run         Run
	image, undo string
	begun       bool
}

// args are a step's, and how it is printed.
func (s *stage) args(step string) (args []string, text string) {
	step = strings.NewReplacer("IMAGE", s.image, "UNDO", s.undo).Replace(step)
	args = append([]string{"bctl"}, strings.Fields(step)...)
	text = strings.Join(args, " ")
	args = append(args, "--color", s.io.Color)
	if s.io.Quiet {
		args = append(args, "--quiet")
	}
	return args, text
}

// say prints a line with some room above it.
func (s *stage) say(format string, a ...any) {
	if s.begun {
		fmt.Fprintln(s.io.Out)
	}
	s.begun = true
	fmt.Fprintf(s.io.Out, format+"\n", a...)
}

// step prints a command and runs it. The demo ends where it does not end with one of the codes that are expected.
func (s *stage) step(ctx context.Context, step string, expected ...int) error {
	args, text := s.args(step)
	s.say("$ %s", text)
	if code := s.run(ctx, args, s.io.Out, s.io.Err); !slices.Contains(expected, code) {
		return app.ExitWith(code)
	}
	return nil
}

// try is step for a command that may refuse. It prints nothing then, and says what the command said.
func (s *stage) try(ctx context.Context, step string, expected ...int) (refused string, err error) {
	args, text := s.args(step)
	var out, errs bytes.Buffer
	code := s.run(ctx, args, &out, &errs)
	if !slices.Contains(expected, code) {
		first, _, _ := strings.Cut(errs.String(), "\n")
		return strings.TrimPrefix(first, "bctl: "), ctx.Err()
	}
	s.say("$ %s", text)
	_, err = io.Copy(s.io.Out, &out)
	_, _ = io.Copy(s.io.Err, &errs)
	return "", err
}

// menders are the commands that repair, the most able first, and the codes with which they say that they did.
var menders = []struct {
	step  string
	codes []int
}{
	{"fsck -y --undo UNDO IMAGE", []int{app.ExitRepaired}},
	{"rewrite-prios --from-btree --undo UNDO IMAGE", []int{app.ExitFine}},
}

// damage shows a damage, its repair, and how that is taken back.
func (s *stage) damage(ctx context.Context, w wish) error {
	if err := s.step(ctx, "generate IMAGE --buckets 800 --bucket 64k --extents 4000 --fill 30 --stale 0.05", app.ExitFine); err != nil {
		return err
	}
	if err := s.step(ctx, "fsck IMAGE", app.ExitFine); err != nil {
		return err
	}
	name, err := s.plant(ctx, w)
	if err != nil {
		return err
	}
	row := finding.Lookup(w.code)
	s.say("# damage is planted: %s (%s). %s shows it: %s.", name, w.code, w.code, row.Title)
	found := []int{app.ExitFine, app.ExitDamage}
	if err := s.step(ctx, "fsck IMAGE", found...); err != nil {
		return err
	}
	if row.Severity != finding.Damage {
		s.say("# That is a legal state, so nothing is to be repaired. %s", row.Advice)
		return nil
	}
	return s.repair(ctx, row)
}

// repair lets the first command that can do it mend the damage, and takes that back.
func (s *stage) repair(ctx context.Context, row finding.Row) error {
	why := ""
	for _, m := range menders {
		refused, err := s.try(ctx, m.step, m.codes...)
		if err != nil {
			return err
		}
		if refused == "" {
			return s.takeBack(ctx)
		}
		why = refused
	}
	s.say("# This bctl does not repair it: %s. %s", why, row.Advice)
	return nil
}

func (s *stage) takeBack(ctx context.Context) error {
	if err := s.step(ctx, "fsck IMAGE", app.ExitFine); err != nil {
		return err
	}
	s.say("# and as it was before:")
	if err := s.step(ctx, "undo UNDO IMAGE", app.ExitFine); err != nil {
		return err
	}
	return s.step(ctx, "fsck IMAGE", app.ExitFine, app.ExitDamage)
}

func (s *stage) plant(ctx context.Context, w wish) (name string, err error) {
	dev, err := blockdev.OpenExclusive(s.image)
	if err != nil {
		return "", err
	}
	defer dev.Close()
	return w.plant(ctx, dev)
}
