// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"bctl/inspect/volume"
	"bctl/internal/disk/full"
	"bctl/internal/workers"
)

// Clean says which clean data are held against the backing device, and copied where it lacks them. The kernel shows what
// the cache has; a backing device that lost power may have lost what it had not flushed, and nobody asked it to.
type Clean uint8

// Which clean data.
const (
	CleanNone   Clean = iota
	CleanRecent       // all if they are few; else those that the journal tells of last, as many as a disk may keep unflushed
	CleanAll
)

const (
	recentBytes   = 1 << 30  // more than any disk's write cache holds
	compareBytes  = 64 << 10 // are held against one another at a time
	compareAtOnce = 512
	comparers     = 8
)

// lacking finds the clean data that a target lacks. What cannot be read of them is left: nobody needs the cache for it.
// Errors: inspect's and the context's.
func (j *Job) lacking(ctx context.Context, t *Target) error {
	if j.o.Clean == CleanNone || !t.attached {
		return nil
	}
	recent := new(ranges)
	clean := (t.Volume.LiveSectors - t.Volume.DirtySectors).Bytes()
	if j.o.Clean == CleanRecent && clean > recentBytes {
		if recent = j.recent(t); len(recent.list) == 0 {
			return nil
		}
	} else {
		recent.add(t.Start, t.End)
	}
	var some []piece
	lacks := new(ranges)
	compare := func() error {
		j.compare(ctx, t, some, lacks)
		some = some[:0]
		return ctx.Err()
	}
	v := volume.New(j.c, t.Inode, volume.Below{R: t.Dev, Start: t.Start, End: t.End}, volume.Options{Sure: true})
	for s, err := range v.Spans() {
		if err != nil {
			return err
		}
		if s.Source != volume.Cache || s.Dirty {
			continue
		}
		for in := int64(0); in < s.Len; in += compareBytes {
			p := piece{off: t.Start + s.Off + in, at: s.At + in, n: min(compareBytes, s.Len-in)}
			if !recent.overlaps(p.off, p.off+p.n) {
				continue
			}
			if some = append(some, p); len(some) == compareAtOnce {
				if err := compare(); err != nil {
					return err
				}
			}
		}
	}
	if err := compare(); err != nil {
		return err
	}
	j.lacks[t] = lacks
	return nil
}

// compare adds those pieces that differ to lacks, in order.
func (j *Job) compare(ctx context.Context, t *Target, ps []piece, lacks *ranges) {
	differ := make([]bool, len(ps))
	workers.Each(ctx, comparers, len(ps), func() func(int) {
		a, b := make([]byte, compareBytes), make([]byte, compareBytes)
		return func(i int) {
			p := &ps[i]
			err := errors.Join(full.ReadAt(j.src.r, a[:p.n], p.at), full.ReadAt(t.Dev, b[:p.n], p.off))
			differ[i] = err == nil && !bytes.Equal(a[:p.n], b[:p.n])
		}
	})
	for i, yes := range differ {
		if yes {
			lacks.add(ps[i].off, ps[i].off+ps[i].n)
		}
	}
}

// recent are the places of a target that the journal tells of last.
func (j *Job) recent(t *Target) *ranges {
	type run struct{ from, to int64 }
	var runs []run
	if j.c.Journal == nil || j.c.Journal.Newest == nil {
		return new(ranges)
	}
	sum := int64(0)
	for e := range j.c.Journal.Run() {
		for i := range e.Keys {
			if k := &e.Keys[i]; k.Inode() == t.Inode && k.Size() <= k.Offset() {
				runs = append(runs, run{k.Start().Bytes(), k.Offset().Bytes()})
				sum += k.Size().Bytes()
			}
		}
		if sum > recentBytes {
			break
		}
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.from, b.from) })
	out := new(ranges)
	for _, r := range runs {
		out.add(r.from, r.to)
	}
	return out
}

// parts yields what of a piece, which comes in order, is in r, from place *i of its list on.
func (r *ranges) parts(p piece, i *int, yield func(piece) bool) bool {
	for *i < len(r.list) && r.list[*i].to <= p.off {
		*i++
	}
	for k := *i; k < len(r.list) && r.list[k].from < p.off+p.n; k++ {
		from, to := max(p.off, r.list[k].from), min(p.off+p.n, r.list[k].to)
		if !yield(piece{kind: p.kind, clean: true, off: from, at: p.at + from - p.off, n: to - from}) {
			return false
		}
	}
	return true
}
