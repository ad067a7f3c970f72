// SPDX-License-Identifier: GPL-2.0-only

// Package report is the command that puts a cache on one page for a browser: the verdict, a map of the buckets, what the
// volumes have cached, the journal, and what is wrong.
//
//	page.html   the frame; page.css and page.js are put into it, and so are the data
//	data.go     what is told of a cache, as JSON; tables of all buckets are compressed
//
// The page needs nothing but itself: its own policy forbids it to load anything.
package report

import (
	"bytes"
	"context"
	_ "embed" // the page
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const description = `Writes a page for a browser that shows a cache: the verdict, a map of all buckets by mark, gen, prio and age, what each
volume has cached and dirty over its address range, the journal, histograms, and each finding with its explanation. It is
one file that loads nothing else, for screens of any size and for paper. The devices are only read.

Examples:

    bctl report cache.img -o report.html
    bctl report /dev/nvme0n1p3 /dev/sdb -o - > report.html
`

// ReportCommand is report.
func ReportCommand() *cli.Command {
	return &cli.Command{
		Name:        "report",
		Usage:       "write a page for a browser that shows a cache",
		ArgsUsage:   "CACHE [BACKING...]",
		Description: description,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to a new `FILE`; - is standard output"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o := options{names: args.Operands(), output: args.String("output")}
			switch {
			case len(o.names) == 0:
				return args.Wrong("no device given")
			case o.output == "":
				return app.WithHint(app.Usagef("where to?"), "give -o FILE, or -o -")
			case io.Format != render.Table:
				return app.Usagef("the report is a page: it contradicts --format %s", io.Format)
			}
			return report(ctx, o, io)
		}),
	}
}

type options struct {
	names  []string
	output string
}

func report(ctx context.Context, o options, to *app.IO) error {
	devs, closeAll, err := app.OpenDevices(to, o.names, nil)
	defer closeAll()
	if err != nil {
		return err
	}
	cache := devs[0].Name
	s, err := superblock.ReadDevice(devs[0].R, devs[0].Size)
	if err == nil && s.IsBacking() {
		err = errors.New("a backing device, it has no buckets")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", cache, err)
	}
	rep, err := fsck.Run(ctx, devs[0], devs[1:], fsck.Options{Progress: to.Progress})
	if err != nil {
		return err
	}
	read := rep.TakeCache()
	if read == nil {
		return app.WithHint(fmt.Errorf("%s: %s", cache, rep.Verdict()), "bctl fsck %s says why", app.Quote(cache))
	}
	d, err := gather(rep, read, devs[1:])
	if err != nil {
		return err
	}
	page, err := assemble(d)
	if err != nil {
		return err
	}
	if err := write(page, o.output, to.Out); err != nil {
		return err
	}
	if rep.Result == fsck.Damaged {
		return app.WithHint(app.Damaged("%s is damaged", cache), "see bctl fsck %s", app.Quote(cache))
	}
	return nil
}

var (
	//go:embed page.html
	frame []byte
	//go:embed page.css
	style []byte
	//go:embed page.js
	script []byte
)

// assemble puts the page together. JSON in it cannot end its element: encoding/json escapes <.
func assemble(d *data) ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	page := bytes.Replace(frame, []byte("/*CSS*/"), style, 1)
	page = bytes.Replace(page, []byte("/*DATA*/"), b, 1)
	return bytes.Replace(page, []byte("/*JS*/"), script, 1), nil
}

// write makes a new file. One that is not whole is removed.
func write(page []byte, name string, stdout io.Writer) error {
	if name == "-" {
		_, err := stdout.Write(page)
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(page)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(name)
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
