// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package salvage

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/disk"
	"bctl/internal/disk/mapfile"
	"bctl/internal/image"
	"bctl/superblock"
)

const domainDescription = `Writes a domain mapfile for GNU ddrescue: what of a failing cache is to be copied first. All metadata that lead to the
data (--metadata), the dirty data, which nobody else has (--dirty), or everything that is cached (--cached); several
together are one domain. A cache is small beside what ddrescue spends on bad places that hold nothing.

Metadata that could not be read are in the domain too; what they would lead to cannot be. So copy the metadata first,
and make the domain of the data from the copy.

Examples:

    bctl domain /dev/nvme0n1p3 --metadata -o meta.map
    ddrescue --domain-mapfile=meta.map /dev/nvme0n1p3 cache.img cache.map
    bctl domain cache.img --dirty -o dirty.map
    ddrescue --domain-mapfile=dirty.map /dev/nvme0n1p3 cache.img cache.map
`

// mindMemory has little wasted from now on, if the device is a large cache.
func mindMemory(dev disk.Device) {
	if s, err := superblock.ReadDevice(dev, dev.Size()); err == nil {
		app.MindMemory(s)
	}
}

// DomainCommand is bctl domain.
func DomainCommand() *cli.Command {
	return &cli.Command{
		Name:        "domain",
		Usage:       "write a ddrescue mapfile of what of a cache to copy first",
		ArgsUsage:   "CACHE",
		Description: domainDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "metadata", Usage: "superblock, journal, prios, uuids and btree"},
			&cli.BoolFlag{Name: "dirty", Usage: "the dirty data"},
			&cli.BoolFlag{Name: "cached", Usage: "all data that are cached"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to a new `FILE`; - is standard output, which it is without it"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			names := args.Operands()
			d := image.Domain{Metadata: args.Bool("metadata"), Dirty: args.Bool("dirty"), Cached: args.Bool("cached")}
			switch {
			case len(names) == 0:
				return args.Wrong("no device given")
			case len(names) > 1:
				return args.AtMost(1)
			case d == image.Domain{}:
				return app.WithHint(app.Usagef("what is to be copied first?"), "give --metadata, --dirty or --cached")
			}
			return domain(ctx, d, names[0], args.String("output"), io)
		}),
	}
}

func domain(ctx context.Context, d image.Domain, name, output string, to *app.IO) error {
	dev, err := app.OpenDevice(to, name)
	if err != nil {
		return err
	}
	defer dev.Close()
	mindMemory(dev)
	source := &image.Source{Name: name, R: dev, Size: dev.Size(), LogicalBlock: dev.LogicalBlock()}
	areas := func(use func(mapfile.Area) error) error {
		return d.Areas(ctx, source, image.Options{Progress: to.Progress}, use)
	}
	comment := fmt.Sprintf("Domain mapfile. Created by bctl %s\nof %s", app.Version, app.OneLine(name))
	if output == "" || output == "-" {
		return mapfile.Write(to.Out, comment, areas)
	}
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(mapfile.Write(f, comment, areas), f.Sync(), f.Close()); err != nil {
		os.Remove(output)
		return err
	}
	return nil
}
