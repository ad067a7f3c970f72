// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/change"
)

const superDescription = `Works on superblocks alone.

"backup" writes the superblocks of the devices to a small file (--file), with a checksum and whose they are. It is made
anew for each run: the kernel writes the superblock when it registers a device, and a newer one is the better one.

"restore" puts one back from such a file: that of the device's uuid, or, where its superblock is lost, of its size. A
device that has another uuid or size, and a superblock whose loss of state would make the kernel drop dirty data (a cache
that was never registered, a backing device that is not attached), is refused without --force. A whole fsck of the device
as it will be must find no damage that is not there now.

"unwipe" puts back a magic that wipefs or the like took away: sixteen bytes, where the checksum proves that all else of
the superblock is as it was. Of a superblock that is lost altogether, bctl fsck --scan makes another.

"find" reads a whole disk for superblocks at any sector, and for journals of caches whose superblock is lost, and prints
how to reach each. It only reads.

restore and unwipe write nothing without --yes. An undo file takes it back.

Examples:

    bctl super backup --file supers.json /dev/nvme0n1p3 /dev/sda1
    bctl super restore --file supers.json --yes /dev/sda1
    bctl super unwipe --yes /dev/nvme0n1p3
    bctl super find /dev/nvme0n1
`

// SuperCommand is super.
func SuperCommand() *cli.Command {
	return &cli.Command{
		Name:        "super",
		Usage:       "back up and restore superblocks, put a wiped magic back, find lost ones on a disk",
		ArgsUsage:   "backup|restore|unwipe|find DEVICE...",
		Description: superDescription,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "file", Usage: "backup: the new `FILE`; restore: the one to take the superblock from"},
			&cli.BoolFlag{Name: "force", Usage: "restore: another device's superblock too, or one that is not attached"},
		}, yesFlags()...),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readSuper(args, io)
			if err != nil {
				return err
			}
			switch o.verb {
			case "backup":
				return o.backup(io)
			case "find":
				return o.find(ctx, io)
			}
			return o.put(ctx, io)
		}),
	}
}

// superOptions is a command line of super.
type superOptions struct {
	verb    string
	devices []string
	file    string
	force   bool
	write   change.Options
}

var superVerbs = map[string][]string{ // the flags that each takes
	"backup":  {"file"},
	"restore": {"file", "force", "yes", "dry-run", "undo", "no-undo"},
	"unwipe":  {"yes", "dry-run", "undo", "no-undo"},
	"find":    {},
}

func readSuper(args *app.Args, io *app.IO) (o superOptions, err error) {
	names := args.Operands()
	if len(names) == 0 || superVerbs[names[0]] == nil {
		return o, args.Wrong("want backup, restore, unwipe or find, and a device")
	}
	o.verb, o.devices = names[0], names[1:]
	if err := args.RefuseBut(o.verb, superVerbs[o.verb]...); err != nil {
		return o, err
	}
	o.file, o.force = args.String("file"), args.Bool("force")
	switch {
	case len(o.devices) == 0:
		return o, args.Wrong("no device given")
	case o.verb == "find" && len(o.devices) > 1:
		return o, args.AtMost(2)
	case o.file == "" && (o.verb == "backup" || o.verb == "restore"):
		return o, args.Wrong(o.verb + " wants --file FILE")
	}
	o.write, err = readYes(args, io)
	o.write.Command = "super-" + o.verb
	return o, err
}
