// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"fmt"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/disk"
	"bctl/internal/ui/render"
)

// defaultCandidates is how many are shown unasked: each takes as long as a check.
const defaultCandidates = 8

func readJournal(args *app.Args) (o journalOptions, err error) {
	o = journalOptions{keys: args.Bool("keys"), all: args.Bool("all")}
	if !args.Bool("rewind") {
		if args.Given("limit") {
			return o, app.Usagef("--limit is about --rewind")
		}
		return o, nil
	}
	if err := args.Refuse("--rewind", "keys", "all"); err != nil {
		return o, err
	}
	o.rewind = defaultCandidates
	return o, args.Number("limit", 1, 1<<20, func(n uint64) { o.rewind = int(n) })
}

type candidate = repair.Candidate

func rewindView(ctx context.Context, o journalOptions, dev disk.Device, io *app.IO) render.View[candidate] {
	d := fsck.Device{Name: o.device, R: dev, Size: dev.Size(), LogicalBlock: dev.LogicalBlock()}
	number := func(name string, of func(candidate) uint64) render.Column[candidate] {
		return render.Column[candidate]{Name: name, Num: true, Int: of}
	}
	return render.View[candidate]{
		Head: []render.Field{{Key: "device", Value: o.device}},
		Key:  "candidates",
		Rows: func(yield func(candidate, error) bool) {
			n := 0
			for c, err := range repair.Candidates(ctx, d, repair.Options{Options: fsck.Options{Progress: io.Progress}}) {
				if n++; !yield(c, err) || n == o.rewind {
					return
				}
			}
		},
		Columns: []render.Column[candidate]{
			number("seq", func(c candidate) uint64 { return c.Seq }),
			number("last_seq", func(c candidate) uint64 { return c.LastSeq }),
			number("bucket", func(c candidate) uint64 { return uint64(c.Bucket) }),
			number("bucket_offset_sectors", func(c candidate) uint64 { return uint64(c.Offset) }),
			number("root", func(c candidate) uint64 { return uint64(c.Root) }),
			number("uuids", func(c candidate) uint64 { return uint64(c.UUIDs) }),
			number("prios", func(c candidate) uint64 { return uint64(c.Prios) }),
			number("lost_keys", func(c candidate) uint64 { return uint64(c.Keys) }),
			number("lost_dirty_sectors", func(c candidate) uint64 { return uint64(c.Dirty) }),
			number("lost_clean_sectors", func(c candidate) uint64 { return uint64(c.Clean) }),
			number("old_dirty_sectors", func(c candidate) uint64 { return uint64(c.Old) }),
			{Name: "unknown", Cell: func(c candidate) string { return app.YesNo(c.Unknown) }, Raw: func(c candidate) string { return fmt.Sprint(c.Unknown) }},
		},
		Limit: -1,
	}
}
