// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk"
	"bctl/internal/disk/plan"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const tuneDescription = `Shows what can be changed in a superblock, and changes it: one sector is written, an undo file takes it back. It is for
devices that the kernel does not have; of one that it has, sysfs changes the same.

A backing device has a label, a cache mode and a state; a cache device a label, a replacement policy and discard (which
Linux 6.19 and later ignore). With the CACHE named behind a backing device, the label of its slot is changed too.

--state none is what a detach leaves: of no set. The device then starts alone. --state clean ends "dirty" of a device
whose cache has no dirty data of it any more. Both are proved first: by the CACHE, or by the one of the set that is found
among the machine's block devices. It is refused where a cache holds dirty data, or cannot be read whole. Where the cache
is gone for good, --cache-lost says so: what it held is given up.

Examples:

    bctl tune /dev/sda1
    bctl tune /dev/sda1 /dev/nvme0n1p3 --label home
    bctl tune --cache-mode writethrough /dev/sda1
    bctl tune --replacement fifo --discard off /dev/nvme0n1p3
    bctl tune --state none /dev/sda1 /dev/nvme0n1p3
    bctl tune --state none --cache-lost /dev/sda1
`

// TuneCommand is tune.
func TuneCommand() *cli.Command {
	return &cli.Command{
		Name:        "tune",
		Usage:       "show or change label, cache mode, policy, discard and state of a device",
		ArgsUsage:   "DEVICE [CACHE...]",
		Description: tuneDescription,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "label", Aliases: []string{"l"}, Usage: "`LABEL`, up to 32 bytes; an empty one takes it away"},
			app.Choice(&cli.StringFlag{Name: "cache-mode", Usage: "cache `MODE` of a backing device: writethrough, writeback, writearound or none"}, cacheModes...),
			app.Choice(&cli.StringFlag{Name: "replacement", Usage: "replacement `POLICY` of a cache device: lru, fifo or random"}, replacements...),
			app.Choice(&cli.StringFlag{Name: "discard", Usage: "discard buckets before they are used again: `WHETHER` is on or off"}, "on", "off"),
			app.Choice(&cli.StringFlag{Name: "state", Usage: "`STATE` of a backing device: none or clean"}, "none", "clean"),
			&cli.BoolFlag{Name: "cache-lost", Usage: "change the state although no cache can prove that nothing is lost"},
		}, app.WriteFlags()...),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readTune(args, io)
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if o.show {
				return o.tell(io, nil)
			}
			return o.tune(ctx, io)
		}),
	}
}

// What the flags take, in the order of the numbers on disk.
var (
	cacheModes   = []string{"writethrough", "writeback", "writearound", "none"}
	replacements = []string{"lru", "fifo", "random"}
	states       = []string{"none", "clean"}
)

// tuneOptions is a command line of tune. What stays as it is is nil.
type tuneOptions struct {
	device, cache string
	show          bool
	label         *string
	mode          *ondisk.CacheMode
	policy        *ondisk.Replacement
	discard       *bool
	state         *ondisk.State
	cacheLost     bool
	write         change.Options
}

func readTune(args *app.Args, io *app.IO) (o tuneOptions, err error) {
	names := args.Operands()
	switch len(names) {
	case 0:
		return o, args.Wrong("no device given")
	case 1, 2:
	default:
		return o, args.AtMost(2)
	}
	if o.device = names[0]; len(names) == 2 {
		o.cache = names[1]
	}
	if args.Given("label") {
		label := args.String("label")
		o.label = &label
	}
	if o.mode, err = choice[ondisk.CacheMode](args, "cache-mode", cacheModes); err != nil {
		return o, err
	}
	if o.policy, err = choice[ondisk.Replacement](args, "replacement", replacements); err != nil {
		return o, err
	}
	if o.state, err = choice[ondisk.State](args, "state", states); err != nil {
		return o, err
	}
	switch on, err := choice[uint8](args, "discard", []string{"off", "on"}); {
	case err != nil:
		return o, err
	case on != nil:
		is := *on == 1
		o.discard = &is
	}
	o.show = o.label == nil && o.mode == nil && o.policy == nil && o.state == nil && o.discard == nil
	if o.cacheLost = args.Bool("cache-lost"); o.cacheLost && o.state == nil {
		return o, app.Usagef("--cache-lost is about --state")
	}
	o.write, err = args.Write(io)
	return o, err
}

// choice is the number of a flag's word, nil where it is not given.
func choice[T ~uint8](args *app.Args, flag string, words []string) (*T, error) {
	if !args.Given(flag) {
		return nil, nil
	}
	i := slices.Index(words, args.String(flag))
	if i < 0 {
		return nil, app.Usagef("--%s %q: not one of %s", flag, args.String(flag), strings.Join(words, ", "))
	}
	n := T(i)
	return &n, nil
}

// wanted is the superblock as it shall be. Errors are about flags that do not fit the device, and usage.
func (o *tuneOptions) wanted(s *ondisk.Super) (*ondisk.Super, error) {
	to := *s
	for flag, is := range map[string]bool{"--replacement": o.policy != nil, "--discard": o.discard != nil} {
		if is && s.IsBacking() {
			return nil, app.Usagef("%s: %s is a backing device, it has none", flag, o.device)
		}
	}
	for flag, is := range map[string]bool{"--cache-mode": o.mode != nil, "--state": o.state != nil} {
		if is && !s.IsBacking() {
			return nil, app.Usagef("%s: %s is a cache device, it has none", flag, o.device)
		}
	}
	if o.cache != "" && !s.IsBacking() {
		return nil, app.Usagef("%s is a cache device: another one has nothing to do with it", o.device)
	}
	if o.label != nil {
		label, err := superblock.MakeLabel(*o.label)
		if err != nil {
			return nil, app.Usagef("--label: %v", err)
		}
		to.Label = label
	}
	if o.mode != nil {
		to.SetCacheMode(*o.mode)
	}
	if o.policy != nil {
		to.SetReplacement(*o.policy)
	}
	if o.discard != nil {
		to.SetDiscard(*o.discard)
	}
	if o.state != nil {
		if to.SetState(*o.state); *o.state == ondisk.StateNone {
			to.SetUUID = ondisk.UUID{} // as the kernel's detach does: a set that is named is attached again by itself
		}
	}
	to.Csum = to.Checksum()
	return &to, nil
}

// sane refuses a superblock that breaks a rule that the old one kept.
func sane(was, is *ondisk.Super, dev disk.Device) error {
	d := superblock.Device{Size: dev.Size(), LogicalBlock: dev.LogicalBlock()}
	before := superblock.Check(was, d)
	for _, f := range superblock.Check(is, d) {
		if !slices.ContainsFunc(before, func(b superblock.Fault) bool { return errors.Is(b, f.Rule) }) && !errors.Is(f, superblock.ErrDiscardSet) {
			return f
		}
	}
	return nil
}

// tell shows the superblock of the device as it is, or to where it was changed.
func (o *tuneOptions) tell(io *app.IO, to *tuned) error {
	if to == nil {
		dev, err := app.OpenDevice(io, o.device)
		if err != nil {
			return err
		}
		defer dev.Close()
		s, err := superblock.ReadDevice(dev, dev.Size())
		if err != nil {
			return fmt.Errorf("%s: %w", o.device, err)
		}
		to = &tuned{was: s, is: s}
	}
	return render.WriteFields(io.Out, io.Format, o.fields(to))
}

// tuned is what was done.
type tuned struct {
	was, is *ondisk.Super
	slot    *uint32 // whose label was changed too
	proved  []string
	undo    []string
	plan    *plan.Plan
}

func (o *tuneOptions) fields(t *tuned) []render.Field {
	backing := t.is.IsBacking()
	value := func(has bool, key, name string, of func(*ondisk.Super) string) render.Field {
		if !has {
			return render.Field{Key: key}
		}
		was, is := of(t.was), of(t.is)
		text := is
		if was != is {
			text = fmt.Sprintf("%s (was %s)", is, was)
		}
		return render.Field{Key: key, Value: is, Name: name, Text: text}
	}
	return []render.Field{
		{Key: "device", Value: o.device, Name: "device"},
		{Key: "type", Value: superblock.Kind(t.is)},
		value(true, "label", "label", func(s *ondisk.Super) string { return fmt.Sprintf("%q", superblock.Label(s.Label)) }),
		value(backing, "cache_mode", "cache mode", func(s *ondisk.Super) string { return s.CacheMode().String() }),
		value(backing, "state", "state", func(s *ondisk.Super) string { return s.State().String() }),
		value(backing, "set_uuid", "set", func(s *ondisk.Super) string { return s.SetUUID.String() }),
		value(!backing, "replacement", "replacement", func(s *ondisk.Super) string { return s.Replacement().String() }),
		value(!backing, "discard", "discard", func(s *ondisk.Super) string { return app.YesNo(s.Discard()) }),
		{Key: "changed", Value: *t.is != *t.was || t.slot != nil},
		{Key: "slot", Value: t.slot},
		{Key: "proved_by", Value: append([]string{}, t.proved...)},
		{Key: "dry_run", Value: o.write.DryRun},
		{Key: "undo_files", Value: append([]string{}, t.undo...)},
	}
}
