// SPDX-License-Identifier: GPL-2.0-only

// Package salvage is the commands that bring data back from a cache without the kernel.
package salvage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk"
	"bctl/internal/finding"
	"bctl/superblock"
)

const exportDescription = `Writes a volume as the kernel would show it: the backing device's data, and over them what the cache holds, after
journal replay. No kernel module is needed, and nothing is written to either device.

With the backing device given, the volume is that device's. Without it, --volume names a flash-only volume by its inode
or uuid; with both, --volume takes the data of that inode over the device, whatever its slot says: for a volume that the
kernel detached and numbered anew.

A file is sparse. --dm prints a device-mapper table instead, for dmsetup create --readonly: the kernel then reads at
full speed, without bcache. --mount serves it as the read-only file DIR/volume, until SIGINT, SIGTERM or umount. What the
cache's metadata do not tell is never made up: the command stops there, and a read of the file is an error.

--root BUCKET takes an older btree root, one that a journal entry names; what is journalled since then counts.

Examples:

    bctl export cache.img back.img -o volume.img
    bctl export /dev/nvme0n1p3 /dev/sdb -o - | ssh host 'cat > volume.img'
    bctl export /dev/nvme0n1p3 /dev/sdb --dm | dmsetup create --readonly rescued
    bctl export cache.img --volume 2 -o flash.img
    bctl export /dev/nvme0n1p3 /dev/sdb --mount /mnt/bcache
`

// ExportCommand is bctl export.
func ExportCommand() *cli.Command {
	return &cli.Command{
		Name:        "export",
		Usage:       "write a volume as the kernel would show it, without the kernel",
		ArgsUsage:   "CACHE [BACKING]",
		Description: exportDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "volume", Usage: "the volume's `UUID`, or its inode"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to a new `FILE`; - is standard output"},
			&cli.BoolFlag{Name: "dm", Usage: "print a device-mapper table instead"},
			&cli.StringFlag{Name: "mount", Usage: "serve it as a file in the folder `DIR` instead"},
			&cli.StringFlag{Name: "root", Usage: "read by an older btree root, in `BUCKET`"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readExport(args)
			if err != nil {
				return err
			}
			return export(ctx, o, io)
		}),
	}
}

type exportOptions struct {
	cache, backing string // backing may be ""
	volume         string // uuid or inode; "" for the backing device's
	output         string // "" with dm or mount
	dm             bool
	mount          string // a folder, or ""
	root           uint64 // a bucket; 0: the newest root
}

func readExport(args *app.Args) (o exportOptions, err error) {
	names := args.Operands()
	switch {
	case len(names) == 0:
		return o, args.Wrong("no device given")
	case len(names) > 2:
		return o, args.AtMost(2)
	}
	o = exportOptions{cache: names[0], volume: args.String("volume"), output: args.String("output"), dm: args.Bool("dm"), mount: args.String("mount")}
	if len(names) == 2 {
		o.backing = names[1]
	}
	if err = args.Number("root", 1, math.MaxInt64, func(n uint64) { o.root = n }); err != nil {
		return o, err
	}
	ways := 0
	for _, given := range []bool{o.dm, o.output != "", o.mount != ""} {
		if given {
			ways++
		}
	}
	switch {
	case o.backing == "" && o.volume == "":
		return o, app.WithHint(app.Usagef("no backing device given"), "name it behind the cache, or a flash-only volume by --volume")
	case ways != 1:
		return o, app.WithHint(app.Usagef("where to?"), "give -o FILE, -o -, --mount DIR, or --dm")
	}
	return o, nil
}

func export(ctx context.Context, o exportOptions, to *app.IO) error {
	dev, err := app.OpenDevice(to, o.cache)
	if err != nil {
		return err
	}
	defer dev.Close()
	var found finding.Collector
	c, err := app.OpenSmall(ctx, o.cache, dev, to, &found)
	if err != nil {
		return err
	}
	if n := found.Count(finding.Damage); n > 0 {
		to.Note("%s is damaged (%d findings): what its metadata do not tell is not exported", o.cache, n)
	}
	if o.root > 0 {
		if c, err = older(ctx, c, o.root, dev.Size(), to); err != nil {
			return fmt.Errorf("%s: %w", o.cache, err)
		}
	}
	v, done, err := pick(o, c, to)
	if err != nil {
		return err
	}
	defer done()
	switch {
	case o.dm:
		return table(v, o, to.Out)
	case o.mount != "":
		return mount(ctx, v, o.mount, to)
	case o.output == "-":
		return copyAll(v, to.Out, nil)
	}
	return toFile(v, o.output)
}

// pick finds the volume that is meant.
func pick(o exportOptions, c *inspect.Cache, to *app.IO) (v *volume.Volume, done func(), err error) {
	done = func() {}
	inode, named := inodeOf(o.volume, c)
	if o.volume != "" && !named {
		return nil, done, fmt.Errorf("%s: no volume %s", o.cache, o.volume)
	}
	if o.backing == "" {
		v, err = volume.Flash(c, inode, volume.Options{})
		return v, done, err
	}
	back, err := app.OpenDevice(to, o.backing)
	if err != nil {
		return nil, done, err
	}
	done = func() { back.Close() }
	if !named {
		v, err = volume.Backed(c, back, back.Size(), volume.Options{})
		if err != nil {
			err = fmt.Errorf("%s: %w", o.backing, err)
		} else {
			noteBare(o, c, back, to)
		}
		return v, done, err
	}
	s, err := superblock.ReadDevice(back, back.Size())
	if err == nil && !s.IsBacking() {
		err = volume.ErrNotBacking
	}
	if err != nil {
		return nil, done, fmt.Errorf("%s: %w", o.backing, err)
	}
	below := volume.Below{R: back, Start: superblock.DataOffset(s).Bytes(), End: back.Size()}
	return volume.New(c, inode, below, volume.Options{}), done, nil
}

// noteBare says where the kernel would show a backing device alone though the cache has a slot for it.
func noteBare(o exportOptions, c *inspect.Cache, back disk.Device, to *app.IO) {
	s, err := superblock.ReadDevice(back, back.Size())
	if err != nil || s.State() == ondisk.StateClean || s.State() == ondisk.StateDirty || c.UUIDs == nil {
		return
	}
	if inode, ok := c.UUIDs.Find(s.UUID); ok {
		to.Note("%s is in state %v: this is what the kernel would show, the device alone; --volume %d has what the cache holds of it over it", o.backing, s.State(), inode)
	}
}

// inodeOf reads an inode, or finds that of a uuid.
func inodeOf(name string, c *inspect.Cache) (uint32, bool) {
	if n, err := strconv.ParseUint(name, 10, 20); err == nil {
		return uint32(n), true
	}
	for i := range c.UUIDs {
		if c.UUIDs.State(uint32(i)) == uuids.Valid && c.UUIDs[i].UUID.String() == name {
			return uint32(i), true
		}
	}
	return 0, false
}

const chunk = 1 << 20

// copyAll copies a volume in pieces; zeroes, if not nil, is told of a piece that is all zero in place of w.
func copyAll(v *volume.Volume, w io.Writer, zeroes func(n int64) error) error {
	b, zero := make([]byte, chunk), make([]byte, chunk)
	for off := int64(0); off < v.Size(); off += chunk {
		part := b[:min(chunk, v.Size()-off)]
		if n, err := v.ReadAt(part, off); n < len(part) {
			return fmt.Errorf("at byte %d of the volume: %w", off+int64(n), err)
		}
		var err error
		if zeroes != nil && bytes.Equal(part, zero[:len(part)]) {
			err = zeroes(int64(len(part)))
		} else {
			_, err = w.Write(part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// toFile makes a sparse file. One that is not whole is removed.
func toFile(v *volume.Volume, name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = copyAll(v, f, func(n int64) error {
		_, err := f.Seek(n, io.SeekCurrent)
		return err
	})
	err = errors.Join(err, f.Truncate(v.Size()), f.Sync(), f.Close())
	if err != nil {
		os.Remove(name)
	}
	return err
}

// table prints linear targets: the kernel reads them from both devices without bcache.
func table(v *volume.Volume, o exportOptions, w io.Writer) error {
	for s, err := range v.Spans() {
		switch {
		case err != nil:
			return err
		case s.Source == volume.Unknown:
			return &volume.UnknownError{Off: s.Off, Len: s.Len}
		}
		from, on, target := s.At/512, o.backing, "linear"
		if s.Source == volume.Cache {
			on = o.cache
		} else if o.backing == "" {
			target = "zero"
		}
		line := fmt.Sprintf("%d %d %s", s.Off/512, s.Len/512, target)
		if target == "linear" {
			line += fmt.Sprintf(" %s %d", on, from)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
