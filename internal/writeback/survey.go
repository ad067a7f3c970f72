// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"context"
	"fmt"
	"iter"

	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
)

// Options say how. The zero value tries nothing twice, reads nothing back and tells nobody.
type Options struct {
	Retries  int  // of a block that cannot be read
	Verify   bool // read back past the page cache, and compare
	Clean    Clean
	Progress progress.Starter
	// Unread is how much of n bytes of the cache is known not to be readable before it is tried; nil: nothing is known.
	Unread func(off, n int64) int64
	Lost   func(l Lost) // what does not come to the backing device, in order; nil: untold
}

// A Lost is a run of sectors of a backing device, data offset included, that does not get what the cache may hold.
type Lost struct {
	Device string        `json:"volume"` // its uuid; "" where no slot names one
	Label  string        `json:"label"`
	Inode  uint32        `json:"inode"`
	Offset ondisk.Sector `json:"offset_sectors"`
	Count  ondisk.Sector `json:"sectors"`
	Dirty  bool          `json:"dirty"`
	Known  bool          `json:"known"` // false: whether the cache holds anything of it, or what, is not known
	Why    string        `json:"why"`
}

// Why something is lost.
const (
	WhyUnread  = "unread"  // the cache gave an error
	WhyUnknown = "unknown" // its metadata do not tell
	WhyNewer   = "newer"   // the cache holds newer data, of the volume that the device is now
)

// Counts are what there is to do of a target, in bytes but for Runs.
type Counts struct {
	Copy    int64 // to be copied
	Clean   int64 // of it: clean data that the backing device lacks
	Runs    int64 // on the backing device: pieces that do not touch
	Unread  int64 // of Copy: known not to be readable
	Unknown int64 // of which the metadata do not tell what they are
	Newer   int64 // dirty, but the cache holds newer data of it
	Old     int64 // dirty once; their bucket was used again since: the kernel ignores them too
}

// Job is a writeback in the making.
type Job struct {
	c       *inspect.Cache
	targets []*Target
	o       Options
	src     *source
	counts  map[*Target]*Counts
	marked  map[*Target]*ranges // what stays dirty
	lacks   map[*Target]*ranges // clean data, on the backing device
	copied  int64
	mem     *memory // nil before and after the copying
}

// New plans to bring the targets what c holds of them. The cache is read from its own reader, whose blocks have block
// bytes.
func New(c *inspect.Cache, targets []*Target, block int, o Options) *Job {
	if o.Progress == nil {
		o.Progress = progress.Silent
	}
	if o.Lost == nil {
		o.Lost = func(Lost) {}
	}
	return &Job{
		c: c, targets: targets, o: o, src: newSource(c.Reader(), block, o.Retries),
		counts: map[*Target]*Counts{}, marked: map[*Target]*ranges{}, lacks: map[*Target]*ranges{},
	}
}

// Counts are what Survey counted.
func (j *Job) Counts(t *Target) Counts {
	if c := j.counts[t]; c != nil {
		return *c
	}
	return Counts{}
}

// Survey counts what there is to do, and finds devices that are too small. Errors name the device, and wrap ErrSmall,
// ErrDamaged or inspect's.
func (j *Job) Survey(ctx context.Context) error {
	for _, t := range j.targets {
		if err := j.survey(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t.Dev.Path(), err)
		}
	}
	return nil
}

func (j *Job) survey(ctx context.Context, t *Target) error {
	if t.Newer != nil && !j.c.Known().Counts() {
		return fmt.Errorf("%w: what it holds of volume %d, which is newer, is not known", ErrDamaged, t.Newer.Inode)
	}
	if err := j.fits(t); err != nil {
		return err
	}
	if err := j.lacking(ctx, t); err != nil {
		return err
	}
	c := new(Counts)
	end := int64(-1)
	for p, err := range j.pieces(t) {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch p.kind {
		case copied:
			c.Copy += p.n
			if p.clean {
				c.Clean += p.n
			}
			if j.o.Unread != nil {
				c.Unread += j.o.Unread(p.at, p.n)
			}
			if p.off != end {
				c.Runs++
			}
			end = p.off + p.n
		case unknown:
			c.Unknown += p.n
		case newer:
			c.Newer += p.n
		case old:
			c.Old += p.n
		}
	}
	j.counts[t] = c
	return nil
}

// fits checks that all dirty extents lie within the volume's data on the device.
func (j *Job) fits(t *Target) error {
	first, last := ondisk.Sector(t.Start/ondisk.SectorBytes), ondisk.Sector(t.End/ondisk.SectorBytes)
	wanted := last // all of it, so that one larger copy of the device will do
	for _, r := range []inspect.Range{inspect.Of(t.Inode, 0, first), inspect.Of(t.Inode, last, ondisk.MaxKeyOffset)} {
		for e, err := range j.c.Extents(r) {
			switch {
			case err != nil:
				return err
			case !e.Live || !e.Dirty() || e.Inode() != t.Inode:
			case e.Offset() > last:
				wanted = max(wanted, e.Offset())
			case e.Start() < first:
				return fmt.Errorf("%w: dirty data at sector %d, its data start at %d", ErrSmall, e.Start(), first)
			}
		}
	}
	if wanted > last {
		return fmt.Errorf("%w: dirty data up to sector %d, it has %d", ErrSmall, wanted, last)
	}
	return nil
}

// kind is what a piece is.
type kind uint8

const (
	copied kind = iota
	unknown
	newer
	old
)

// A piece is a run of bytes of a backing device that the cache may have something for.
type piece struct {
	kind    kind
	clean   bool
	off, at int64 // on the backing device; on the cache, of what is copied
	n       int64
}

// pieces are those of a target, in order. An error ends it.
func (j *Job) pieces(t *Target) iter.Seq2[piece, error] {
	all := j.spans(t)
	if t.Newer == nil {
		return all
	}
	return j.without(t.Newer.Inode, all)
}

// spans are the pieces as the volume has them.
func (j *Job) spans(t *Target) iter.Seq2[piece, error] {
	below := volume.Below{R: t.Dev, Start: t.Start, End: t.End}
	lacks := j.lacks[t]
	v := volume.New(j.c, t.Inode, below, volume.Options{DirtyOnly: lacks == nil || len(lacks.list) == 0, Sure: true})
	return func(yield func(piece, error) bool) {
		next := 0
		for s, err := range v.Spans() {
			p := piece{off: t.Start + s.Off, at: s.At, n: s.Len}
			switch {
			case err != nil:
				yield(p, err)
				return
			case s.Source == volume.Cache && s.Dirty:
			case s.Source == volume.Cache:
				if lacks != nil && !lacks.parts(p, &next, func(p piece) bool { return yield(p, nil) }) {
					return
				}
				continue
			case s.Source == volume.Unknown:
				p.kind = unknown
			case s.Lost:
				p.kind = old
			default:
				continue
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// without cuts out of pieces what the cache holds of another volume at the same sectors.
func (j *Job) without(inode uint32, pieces iter.Seq2[piece, error]) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		next, stop := iter.Pull2(j.c.Extents(inspect.OfVolume(inode)))
		defer stop()
		var from, to int64 // the next run of the other
		var failed error
		step := func() {
			for {
				e, err, ok := next()
				if !ok || err != nil {
					from, to, failed = 1<<62, 1<<62, err
					return
				}
				if e.Live && e.Inode() == inode {
					from, to = e.Start().Bytes(), e.Offset().Bytes()
					return
				}
			}
		}
		step()
		for p, err := range pieces {
			for err == nil && failed == nil && p.n > 0 {
				for to <= p.off && failed == nil {
					step()
				}
				part := p
				switch {
				case from > p.off:
					part.n = min(p.n, from-p.off)
				default:
					part.n = min(p.n, to-p.off)
					if part.kind == copied {
						part.kind = newer
					}
				}
				if !yield(part, nil) {
					return
				}
				p.off, p.at, p.n = p.off+part.n, p.at+part.n, p.n-part.n
			}
			if err == nil {
				err = failed
			}
			if err != nil {
				yield(p, err)
				return
			}
		}
	}
}

// lose notes what stays dirty, and tells it.
func (j *Job) lose(t *Target, off, n int64, why string) {
	j.stays(t, off, n)
	l := Lost{
		Inode: t.Inode, Label: t.Volume.Label(), Offset: ondisk.Sector(off / ondisk.SectorBytes), Count: ondisk.Sector(n / ondisk.SectorBytes),
		Dirty: true, Known: why != WhyUnknown, Why: why,
	}
	if id := NameOf(t.Volume); id != nil {
		l.Device = *id
	}
	j.o.Lost(l)
}

// NameOf is a volume's uuid; nil where no slot names one, or its slot has the mark of an invalid one.
func NameOf(v *inspect.Volume) *string {
	if v.Slot == nil || uuids.StateOf(v.Slot) != uuids.Valid {
		return nil
	}
	return v.UUID()
}

// stays notes what stays dirty.
func (j *Job) stays(t *Target, off, n int64) {
	if j.marked[t] == nil {
		j.marked[t] = new(ranges)
	}
	j.marked[t].add(off, off+n)
}

// Damaged reports whether the findings leave anything unknown: nothing is cleared then.
func Damaged(c *inspect.Cache, found []finding.Finding) bool {
	for _, f := range found {
		if f.Severity == finding.Damage {
			return true
		}
	}
	return !c.Known().All()
}

// Copied is how many bytes were written so far.
func (j *Job) Copied() int64 { return j.copied }
