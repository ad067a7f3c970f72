// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package salvage

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/change"
	"bctl/internal/disk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/metaimage"
	"bctl/internal/disk/plan"
	"bctl/internal/image"
)

const imageDescription = `Writes all metadata of a cache into a file that is small enough to mail: superblock, journal, prio sets, uuids and
btree, and nothing of what was cached. Every command of bctl reads such a file as if it were the device; only what needs
the data says that they are not there. Damage stays what it is.

Uuids and labels are replaced, each by the same other one everywhere, unless --no-sanitize is given; what stood between
the structures is zero. --with adds the superblock of a backing device: in the file it is FILE#1, the next FILE#2.

--restore writes an image over a device of the same size, or makes a sparse file of it: what the image does not have
stays. Repairs are practised on such a file. docs/image.md describes the format; zstd -d unpacks it.

Examples:

    bctl image /dev/nvme0n1p3 -o cache.bimg
    bctl image /dev/nvme0n1p3 --with /dev/sdb -o - | ssh host 'cat > cache.bimg'
    bctl fsck cache.bimg
    bctl image --restore cache.bimg practice.img
`

// ImageCommand is bctl image.
func ImageCommand() *cli.Command {
	return &cli.Command{
		Name:        "image",
		Usage:       "write a cache's metadata into a small file, or such a file to a device",
		ArgsUsage:   "CACHE | --restore FILE DEVICE",
		Description: imageDescription,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to a new `FILE`; - is standard output"},
			&cli.StringSliceFlag{Name: "with", Usage: "add the superblock of `BACKING`; may be given again"},
			&cli.BoolFlag{Name: "no-sanitize", Usage: "leave uuids, labels and old bytes as they are"},
			&cli.BoolFlag{Name: "restore", Usage: "write the image FILE to DEVICE, or to a new file"},
		}, app.WriteFlags()...),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readImage(args, io)
			if err != nil {
				return err
			}
			if o.restore {
				return restore(ctx, o, io)
			}
			return makeImage(ctx, o, io)
		}),
	}
}

type imageOptions struct {
	device, output string
	with           []string
	raw            bool
	restore        bool
	file           string // with restore: the image
	write          change.Options
}

func readImage(args *app.Args, to *app.IO) (o imageOptions, err error) {
	names := args.Operands()
	o = imageOptions{output: args.String("output"), with: args.List("with", ""), raw: args.Bool("no-sanitize"), restore: args.Bool("restore")}
	want := 1
	if o.restore {
		want = 2
	}
	switch {
	case len(names) == 0:
		return o, args.Wrong("no device given")
	case len(names) > want:
		return o, args.AtMost(want)
	case len(names) < want:
		return o, app.WithHint(app.Usagef("no device given"), "bctl image --restore FILE DEVICE")
	case o.restore && (o.output != "" || len(o.with) > 0 || o.raw):
		return o, app.Usagef("--restore contradicts --output, --with and --no-sanitize")
	case !o.restore && o.output == "":
		return o, app.WithHint(app.Usagef("where to?"), "give -o FILE, or -o -")
	}
	o.device = names[want-1]
	if !o.restore {
		for _, name := range []string{"dry-run", "undo", "no-undo"} {
			if args.Given(name) {
				return o, app.Usagef("--%s is about --restore", name)
			}
		}
		return o, nil
	}
	o.file = names[0]
	o.write, err = args.Write(to)
	return o, err
}

// makeImage makes an image.
func makeImage(ctx context.Context, o imageOptions, to *app.IO) error {
	var sources []*image.Source
	for _, name := range append([]string{o.device}, o.with...) {
		dev, err := app.OpenDevice(to, name)
		if err != nil {
			return err
		}
		defer dev.Close()
		if len(sources) == 0 {
			mindMemory(dev)
		}
		sources = append(sources, &image.Source{Name: name, R: dev, Size: dev.Size(), LogicalBlock: dev.LogicalBlock()})
	}
	p, err := image.New(ctx, sources[0], sources[1:], image.Options{Sanitize: !o.raw, Rand: rand.Reader, Progress: to.Progress})
	if err != nil {
		return err
	}
	if o.output == "-" {
		return p.Write(ctx, to.Out)
	}
	n, err := imageFile(ctx, p, o.output)
	if err != nil {
		return err
	}
	to.Note("%s: %s of metadata in %s", o.output, app.Human(uint64(p.Index.Bytes()+511)/512), app.Human(uint64(n+511)/512))
	for i, name := range o.with {
		to.Note("%s#%d: the superblock of %s", o.output, i+1, name)
	}
	return nil
}

// imageFile writes a new file. One that is not whole is removed.
func imageFile(ctx context.Context, p *image.Plan, name string) (size int64, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(f)
	if err = p.Write(ctx, w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(name)
	}
	return size, err
}

// restore writes an image to a device.
func restore(ctx context.Context, o imageOptions, to *app.IO) error {
	from, err := disk.Read(o.file)
	if err != nil {
		return err
	}
	defer from.Close()
	shown := from.Shown()
	if shown == nil {
		return fmt.Errorf("%s: not a metadata image", o.file)
	}
	view := shown.ReaderAt.(*metaimage.View)
	stage := change.Stage{Plan: restorePlan(view)}
	dev, made, err := openTarget(o, view.Size)
	if dev == nil || err != nil {
		return err
	}
	defer dev.Close()
	if err := image.Size(view.Device, dev.Size()); err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	stage.Dev, stage.NoUndo = dev, made
	bar := to.Progress("restore", 2*stage.Plan.Bytes())
	o.write.Done = bar.Add
	undo, err := change.Run(ctx, o.write, stage)
	bar.Done()
	if err != nil {
		if made {
			os.Remove(o.device)
		}
		return err
	}
	for _, file := range undo {
		to.Note("to take it back: %s", app.UndoneBy(file, o.device))
	}
	return nil
}

// openTarget opens what is restored to: a new file where there is none. nil with a dry run of that.
func openTarget(o imageOptions, size int64) (dev *blockdev.Device, made bool, err error) {
	if _, err := os.Stat(o.device); !errors.Is(err, os.ErrNotExist) {
		dev, err := change.Open(o.device, o.write)
		return dev, false, err
	}
	if o.write.DryRun {
		return nil, false, blockdev.CanCreate(o.device)
	}
	dev, err = blockdev.Create(o.device, size)
	return dev, true, err
}

// restorePlan writes the areas, and that with the superblock last: it leads to all others.
func restorePlan(v *metaimage.View) *plan.Plan {
	var p plan.Plan
	var body, head []plan.Write
	for _, a := range v.Areas {
		w := plan.Write{Off: a.Off, From: v, At: a.Off, Bytes: a.Len, What: "metadata"}
		if a.Off == 0 {
			head = append(head, w)
		} else {
			body = append(body, w)
		}
	}
	p.Then(body...)
	p.Then(head...)
	return &p
}
