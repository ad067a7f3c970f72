// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/ui/render"
)

const checkPairDescription = `Says of a cache device and one or more backing devices whether the kernel would bring them together: by itself, once it
is told to, or not. Every reason why not is named, with the way out: block sizes, a uuid that is there twice, a slot that
is missing, no free slot, another set, an impossible data offset, damage. Nothing is written.

Exit code 0 says that all of them would come together and nothing be lost, 4 that some would not.

Examples:

    bctl check-pair cache.img back.img
    bctl check-pair --json /dev/nvme0n1p3 /dev/sdb /dev/sdc
`

// CheckPairCommand is check-pair.
func CheckPairCommand() *cli.Command {
	return &cli.Command{
		Name:        "check-pair",
		Usage:       "say whether a cache and backing devices would attach, and why not",
		ArgsUsage:   "CACHE BACKING...",
		Description: checkPairDescription,
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			names := args.Operands()
			if len(names) == 0 {
				return args.Wrong("no device given")
			}
			return checkPair(ctx, names, io)
		}),
	}
}

func checkPair(ctx context.Context, names []string, io *app.IO) error {
	devs, closeAll, err := openAll(io, names, scan{})
	defer closeAll()
	if err != nil {
		return err
	}
	rep, pairs, err := fsck.Attach(ctx, devs[0], devs[1:], fsck.Options{Progress: io.Progress})
	if err != nil {
		return err
	}
	if len(pairs) == 0 {
		return app.WithHint(app.Usagef("no backing device given"), "bctl check-pair CACHE BACKING...")
	}
	if io.Format == render.Table {
		writePairs(io.Out, rep, pairs)
	} else if err := render.Write(io.Out, io.Format, pairView(rep, pairs)); err != nil {
		return err
	}
	for i := range pairs {
		if !pairs[i].Fine() {
			return app.ExitWith(app.ExitDamage)
		}
	}
	return nil
}

func pairView(rep *fsck.Report, pairs []fsck.Attachment) render.View[fsck.Attachment] {
	return render.View[fsck.Attachment]{
		Head: []render.Field{{Key: "device", Value: rep.Device}, {Key: "complete", Value: rep.Complete}},
		Key:  "pairs",
		Rows: func(yield func(fsck.Attachment, error) bool) {
			for _, p := range pairs {
				if !yield(p, nil) {
					return
				}
			}
		},
		Columns: []render.Column[fsck.Attachment]{
			{Name: "device", Raw: func(p fsck.Attachment) string { return p.Device }},
			{Name: "uuid", Raw: func(p fsck.Attachment) string { return p.UUID }},
			{Name: "attach", Raw: func(p fsck.Attachment) string { return p.Attach }},
			{Name: "inode", Raw: func(p fsck.Attachment) string {
				if p.Inode == nil {
					return ""
				}
				return fmt.Sprint(*p.Inode)
			}},
			{Name: "reasons", Raw: func(p fsck.Attachment) string {
				var texts []string
				for _, r := range p.Reasons {
					texts = append(texts, r.Text)
				}
				return strings.Join(texts, "; ")
			}},
		},
	}
}

// attachWords are what people read.
var attachWords = map[string]string{
	fsck.ByItself: "attaches by itself", fsck.IfTold: "attaches once the kernel is told to", fsck.Refused: "does not attach",
	fsck.Harmful: "attaches, and DIRTY DATA ARE LOST", fsck.Unknown: "whether it attaches cannot be known",
}

func writePairs(w io.Writer, rep *fsck.Report, pairs []fsck.Attachment) {
	for i := range pairs {
		p := &pairs[i]
		slot := ""
		switch {
		case p.Inode != nil:
			slot = fmt.Sprintf(", volume %d", *p.Inode)
		case p.Fine():
			slot = ", as a new volume"
		}
		fmt.Fprintf(w, "%s and %s: it %s%s\n", app.OneLine(rep.Device), app.OneLine(p.Device), attachWords[p.Attach], slot)
		for _, r := range p.Reasons {
			code := "-   "
			if r.Code != nil {
				code = string(*r.Code)
			}
			fmt.Fprintf(w, "  %s  %s\n        %s\n", code, app.OneLine(r.Text), r.WayOut)
			if r.Command != "" {
				fmt.Fprintf(w, "            %s\n", app.OneLine(r.Command))
			}
		}
	}
}
