// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck/repair"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/superblock"
)

// scanFlags are about a superblock that is lost.
func scanFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "scan", Usage: "look for the cache on all of the first DEVICE, a whole disk too, and for what its superblock was"},
		&cli.StringFlag{Name: "offset", Usage: "with --scan: the cache begins `BYTES` from the start of the first DEVICE"},
		&cli.StringFlag{Name: "bucket", Usage: "with --scan: the bucket `SIZE`"},
		&cli.StringFlag{Name: "block", Usage: "with --scan: the block `SIZE`"},
		&cli.StringFlag{Name: "first-bucket", Usage: "with --scan: the first bucket is `N`"},
		&cli.StringFlag{Name: "nbuckets", Usage: "with --scan: there are `N` buckets"},
		&cli.StringFlag{Name: "set-uuid", Usage: "with --scan: the set's `UUID`"},
		&cli.StringFlag{Name: "data-offset", Usage: "with --scan: a backing device's data start at sector `N`"},
	}
}

// A scan is where a cache is sought, and what is known of its superblock.
type scan struct {
	on    bool
	given bool  // start is the user's
	start int64 // bytes
	hints repair.Hints
}

func readScan(args *app.Args) (s scan, err error) {
	s.on = args.Bool("scan")
	for _, f := range scanFlags()[1:] {
		if name := f.Names()[0]; args.Given(name) && !s.on {
			return s, app.Usagef("--%s is about a superblock that is lost: give --scan too", name)
		}
	}
	if args.Given("offset") {
		s.given = true
		if s.start, err = app.ParseSize(args.String("offset")); err != nil || s.start%ondisk.SectorBytes != 0 {
			return s, app.Usagef("--offset %q: not a size in whole sectors", args.String("offset"))
		}
	}
	for name, to := range map[string]*ondisk.Sector{"bucket": &s.hints.Bucket, "block": &s.hints.Block} {
		if args.Given(name) {
			if *to, err = app.ParsePower(app.FlagName(name), args.String(name)); err != nil {
				return s, err
			}
		}
	}
	if args.Given("set-uuid") {
		b, err := hex.DecodeString(strings.ReplaceAll(args.String("set-uuid"), "-", ""))
		if err != nil || len(b) != len(s.hints.SetUUID) {
			return s, app.Usagef("--set-uuid %q: not a UUID, 32 hexadecimal digits", args.String("set-uuid"))
		}
		copy(s.hints.SetUUID[:], b)
	}
	return s, errors.Join(
		args.Number("first-bucket", 1, math.MaxUint16, func(n uint64) { s.hints.FirstBucket = ondisk.Bucket(n) }),
		args.Number("nbuckets", 1, math.MaxInt64, func(n uint64) { s.hints.NBuckets = ondisk.Bucket(n) }),
		args.Number("data-offset", uint64(ondisk.DataStartDefault), 1<<54, func(n uint64) { s.hints.DataOffset = ondisk.Sector(n) }),
	)
}

// find finds where on the first device the cache begins. Where any of the devices is a cache that begins where it
// should, nothing is sought.
func (s *scan) find(ctx context.Context, names []string, out *app.IO) error {
	if s.given {
		return nil
	}
	for _, name := range names {
		d, err := disk.Open(name)
		if err != nil {
			return err
		}
		sb, err := superblock.Read(d)
		d.Close()
		if err == nil && !sb.IsBacking() {
			return nil
		}
	}
	d, err := disk.Open(names[0])
	if err != nil {
		return err
	}
	defer d.Close()
	bar := out.Progress("scan", d.Size())
	defer bar.Done()
	places, err := superblock.Find(ctx, d, d.Size(), d.Size(), func(n int64) { bar.Add(n) })
	if err != nil {
		return fmt.Errorf("%s: %w", names[0], err)
	}
	var caches []superblock.Place
	for _, p := range places {
		if p.Super == nil || !p.Super.IsBacking() {
			caches = append(caches, p)
		}
	}
	switch {
	case len(caches) == 1 && caches[0].Proven:
		return s.take(ctx, names[0], d, &caches[0], out)
	case len(caches) == 0 && s.hints.Bucket > 0 && !s.hints.SetUUID.IsZero():
		return nil // nothing is left but what was said
	case len(caches) == 0:
		if err := s.marks(ctx, names[0], d, out); err == nil || !errors.Is(err, superblock.ErrNoTrace) {
			return err
		}
	}
	return app.WithHint(notOne(names[0], caches), "bctl super find %s lists what is there; --offset says where the cache begins", app.Quote(names[0]))
}

// marks takes what btree nodes and prio sets tell, where no journal is left. Errors wrap superblock.ErrNoTrace where there
// are none either.
func (s *scan) marks(ctx context.Context, name string, d disk.Device, out *app.IO) error {
	bar := out.Progress("scan for btree nodes", d.Size())
	defer bar.Done()
	t, err := superblock.FindMarks(ctx, d, d.Size(), func(n int64) { bar.Add(n) })
	if err != nil {
		return err
	}
	if t.BucketSectors == 0 && s.hints.Bucket == 0 {
		return app.WithHint(fmt.Errorf("%s: no superblock and no journal, but btree nodes of a set whose uuid begins with %08x; no prio set tells the bucket size", name, t.SetMagic),
			"--bucket says it")
	}
	out.Note("%s: no journal is left: the superblock is told by btree nodes and prio sets", name)
	s.hints.Marks = t
	return nil
}

// take takes a cache for what is meant. Behind one that begins within a disk something else may stand: where nothing
// tells how many buckets it had, no more are taken than were used.
func (s *scan) take(ctx context.Context, name string, d disk.Device, p *superblock.Place, out *app.IO) error {
	if s.start = p.Start; s.start == 0 {
		return nil
	}
	out.Note("%s: the cache begins at byte %d", name, s.start)
	if p.Super != nil || s.hints.NBuckets > 0 {
		return nil
	}
	inside, size := s.inside(true, d, d.Size())
	least, most, err := repair.Counts(ctx, inside, size, p.Trace)
	switch {
	case errors.Is(err, repair.ErrHint):
		return app.WithHint(fmt.Errorf("%s: %w", name, err), "give --nbuckets N: the size of its partition in buckets")
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case most > least:
		out.Note("%s: %d buckets were ever used, and are taken; %d would fit: --nbuckets says how many there were", name, least, most)
	}
	s.hints.NBuckets = least
	return nil
}

// notOne says why no place is taken.
func notOne(name string, caches []superblock.Place) error {
	var texts []string
	for _, p := range caches {
		if p.Proven {
			texts = append(texts, fmt.Sprintf("one at byte %d", p.Start))
		} else {
			texts = append(texts, fmt.Sprintf("a journal of %d at byte %d, whose cache begins nobody knows where", p.Trace.Newest.Seq, p.Trace.FirstEntry.Bytes()))
		}
	}
	if len(texts) == 0 {
		return fmt.Errorf("%s: %w: no superblock and no journal of a cache anywhere", name, superblock.ErrNotBcache)
	}
	return fmt.Errorf("%s: not one cache: %s", name, strings.Join(texts, ", "))
}

// inside is the first device from where the cache begins.
func (s *scan) inside(first bool, r io.ReaderAt, size int64) (io.ReaderAt, int64) {
	if !first || s.start == 0 {
		return r, size
	}
	rest := max(0, size-s.start)
	return io.NewSectionReader(r, s.start, rest), rest
}
