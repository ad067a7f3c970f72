// SPDX-License-Identifier: GPL-2.0-only

// Package show is the commands that show what is on a device. None of them writes.
package show

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const showSuperDescription = `Shows every field of the superblock of a cache or a backing device, of all versions (0, 1, 3, 4, 5 and 6), with
the stored checksum and the one that its bytes have. Fields that the other kind of device has are null in JSON.

A superblock that the kernel would not recognise - its checksum, magic, offset or version is wrong - is shown all the
same; the fault is named on stderr and the exit code is 4. A device that holds no bcache superblock is exit 8.

Of several devices each is shown; in JSON they are a list, in CSV a line each.

Called as bcache-super-show, bctl prints what that program of bcache-tools 1.0.8 prints, with its exit codes.

Examples:

    bctl show-super /dev/nvme0n1p3
    bctl show-super --json back.img
    bctl show-super cache.img back.img
`

func ShowSuperCommand() *cli.Command {
	return &cli.Command{
		Name: "show-super", ArgsUsage: "DEVICE...",
		Usage:       "show the superblocks of cache or backing devices",
		Description: showSuperDescription,
		Action: app.Action(func(_ context.Context, args *app.Args, io *app.IO) error {
			paths := args.Operands()
			switch {
			case len(paths) == 0:
				return args.Wrong("no device given")
			case len(paths) == 1:
				return showSuper(paths[0], io)
			}
			return showSupers(paths, io)
		}),
	}
}

func showSuper(path string, io *app.IO) error {
	fields, damage, err := readSuper(path, io)
	if err != nil {
		return err
	}
	if err := render.WriteFields(io.Out, io.Format, fields); err != nil {
		return err
	}
	return damage
}

// readSuper reads a superblock. What the kernel would not recognise comes with the error that says so.
func readSuper(path string, io *app.IO) (fields []render.Field, damage, err error) {
	dev, err := app.OpenDevice(io, path)
	if err != nil {
		return nil, nil, err
	}
	defer dev.Close()
	s, err := superblock.ReadDevice(dev, dev.Size())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	var faults []string
	for _, fault := range superblock.Unrecognised(s) {
		faults = append(faults, fault.Error())
	}
	if len(faults) > 0 {
		damage = app.Damaged("%s: superblock: %s", path, strings.Join(faults, ", and "))
	}
	return superFields(path, s), damage, nil
}

// A csumView is a checksum as JSON has it: 64 bits do not fit the numbers of most readers.
type csumView struct {
	Stored   string `json:"stored"`
	Computed string `json:"computed"`
	OK       bool   `json:"ok"`
}

// superFields is the superblock, every key for every kind; what a kind does not have is null, and not for people.
func superFields(path string, s *ondisk.Super) []render.Field {
	var kind any // null where the version says nothing known
	if k := superblock.Kind(s); k != "" {
		kind = k
	}
	cache, backing := kind != "backing", kind != "cache"
	of := func(has bool, f render.Field) render.Field {
		if !has {
			f.Value, f.Name = nil, ""
		}
		return f
	}
	sum, verdict := s.Checksum(), "ok"
	if s.Csum != sum {
		verdict = "wrong, its bytes have " + hex64(sum)
	}
	features := superblock.FeatureNames(s)
	return []render.Field{
		{Key: "device", Value: path, Name: "device"},
		{Key: "type", Value: kind, Name: "type", Text: fmt.Sprint(kind)},
		{Key: "version", Value: s.Version, Name: "version", Text: fmt.Sprintf("%d (%s)", s.Version, superblock.VersionName(s.Version))},
		{Key: "uuid", Value: s.UUID.String(), Name: "uuid"},
		{Key: "set_uuid", Value: s.SetUUID.String(), Name: "set uuid"},
		{Key: "label", Value: superblock.Label(s.Label), Name: "label"},
		{Key: "block_sectors", Value: s.BlockSize, Name: "block", Text: app.Sectors(ondisk.Sector(s.BlockSize))},
		{Key: "bucket_sectors", Value: superblock.BucketSectors(s), Name: "bucket", Text: app.Sectors(superblock.BucketSectors(s))},
		of(cache, render.Field{Key: "nbuckets", Value: s.Nbuckets, Name: "buckets"}),
		of(cache, render.Field{Key: "first_bucket", Value: s.FirstBucket, Name: "first bucket"}),
		of(cache, render.Field{Key: "journal_buckets", Value: s.Keys, Name: "journal buckets"}),
		of(cache, render.Field{Key: "nr_in_set", Value: s.NrInSet, Name: "caches in set"}),
		of(cache, render.Field{Key: "nr_this_dev", Value: s.NrThisDev, Name: "number in set"}),
		of(cache, render.Field{Key: "sync", Value: s.Sync(), Name: "sync", Text: syncText(s.Sync())}),
		of(cache, render.Field{Key: "discard", Value: s.Discard(), Name: "discard", Text: app.YesNo(s.Discard())}),
		of(cache, render.Field{Key: "replacement", Value: s.Replacement().String(), Name: "replacement"}),
		of(backing, render.Field{Key: "cache_mode", Value: s.CacheMode().String(), Name: "cache mode"}),
		of(backing, render.Field{Key: "state", Value: s.State().String(), Name: "state"}),
		of(backing, render.Field{
			Key: "data_offset_sectors", Value: superblock.DataOffset(s), Name: "data offset",
			Text: fmt.Sprintf("sector %d", superblock.DataOffset(s)),
		}),
		{Key: "seq", Value: s.Seq, Name: "seq"},
		{Key: "last_mount", Value: s.LastMount, Name: "last mount", Text: mountText(s.LastMount)},
		{Key: "csum", Value: csumView{hex64(s.Csum), hex64(sum), s.Csum == sum}, Name: "checksum", Text: hex64(s.Csum) + " (" + verdict + ")"},
		{Key: "features", Value: features, Name: "features", Text: featuresText(features)},
	}
}

func hex64(v uint64) string { return fmt.Sprintf("0x%016x", v) }

func syncText(on bool) string {
	if on {
		return "yes"
	}
	return "no (the next registration makes the cache anew)"
}

func mountText(t uint32) string {
	if t == 0 {
		return "never"
	}
	return time.Unix(int64(t), 0).UTC().Format("2006-01-02 15:04:05 UTC")
}

func featuresText(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return fmt.Sprint(names)
}
