// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
)

// ErrNotProven says that the new tree would not hold what the old one does.
var ErrNotProven = errors.New("the new tree is not what it should be")

// nodeFill is how full the nodes of a new tree are, in percent: the kernel goes on in them.
const nodeFill = 75

// Cleared is a tree in which the keys are clean.
type Cleared struct {
	Plan *plan.Plan
	Keys int64 // that were dirty

	drop  bool          // they are gone
	super *ondisk.Super // of the cache
	all   tally
	clean map[*Target]bool
}

// tally is a digest of keys, in order.
type tally struct {
	n   int64
	sum uint64
	buf []byte
}

func (t *tally) add(k *ondisk.Bkey) {
	t.buf = k.Append(t.buf[:0])
	t.sum = ondisk.Crc64Seeded(t.sum, t.buf)
	t.n++
}

// Clear plans one transaction after which the keys of all that was copied are clean. What could not be copied, and all
// of other volumes, stays dirty. spool keeps what is planned, nil for memory. It is called when Carry has ended
// without an error for all targets. Errors: ErrDamaged where something is wrong with the cache, change.ErrNoSpace,
// change.ErrJournalFull, inspect's.
func (j *Job) Clear(found []finding.Finding, spool *change.Spool) (*Cleared, error) {
	return j.retree(found, spool, &Cleared{})
}

// Drop is Clear where there is no room for the keys: those of all that was copied are gone afterwards. The cache no
// longer holds these data then, and the backing devices do.
func (j *Job) Drop(found []finding.Finding, spool *change.Spool) (*Cleared, error) {
	return j.retree(found, spool, &Cleared{drop: true})
}

func (j *Job) retree(found []finding.Finding, spool *change.Spool, out *Cleared) (*Cleared, error) {
	if Damaged(j.c, found) {
		return nil, ErrDamaged
	}
	if j.mem != nil {
		j.mem = nil
		debug.FreeOSMemory()
	}
	tx, err := change.Begin(j.c)
	if err != nil {
		return nil, err
	}
	tx.Spool(spool)
	tree, err := tx.Tree(nodeFill, func() uint64 { return max(1, rand.Uint64()) })
	if err != nil {
		return nil, err
	}
	var used []bool
	if out.drop {
		used = make([]bool, j.c.Geo.NBuckets)
	}
	err = j.kept(out, func(e *inspect.Extent, b ondisk.Bucket) error {
		out.all.add(&e.Bkey)
		if b < ondisk.Bucket(len(used)) {
			used[b] = true
		}
		return tree.Add(&e.Bkey)
	})
	if err != nil {
		return nil, err
	}
	root, level, err := tree.Finish()
	if err != nil {
		return nil, err
	}
	tx.SetRoot(root, level)
	for b := range j.c.Geo.NBuckets {
		if out.drop && !used[b] && j.c.Buckets.Mark(b) == inspect.Dirty {
			tx.GivenUp(b)
		}
	}
	if err := tx.Settle(0); err != nil {
		return nil, err
	}
	given, err := tx.MakeRoom()
	if err == nil && len(given) > 0 {
		err = j.unled(out, given)
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := tx.RewritePrios(); err != nil {
		return nil, err
	}
	out.Plan, err = tx.Commit()
	return out, err
}

// kept hands the keys of the new tree to use, in order, each with the bucket that its data stand in.
func (j *Job) kept(out *Cleared, use func(e *inspect.Extent, b ondisk.Bucket) error) error {
	out.super, out.clean, out.all, out.Keys = j.c.Super, map[*Target]bool{}, tally{}, 0
	for _, t := range j.targets {
		out.clean[t] = true
		j.marked[t].rewind()
	}
	for e, err := range j.c.Extents(inspect.Everything) {
		if err != nil {
			return err
		}
		if !e.Live || j.clean(e, out) && out.drop {
			continue
		}
		if err := use(e, j.c.Geo.BucketOf(e.Ptr[0].Offset())); err != nil {
			return err
		}
	}
	return nil
}

// unled counts the keys anew where clean buckets are given up for the reserve: theirs are in the tree, and lead nowhere.
func (j *Job) unled(out *Cleared, given []ondisk.Bucket) error {
	gone := make(map[ondisk.Bucket]bool, len(given))
	for _, b := range given {
		gone[b] = true
	}
	return j.kept(out, func(e *inspect.Extent, b ondisk.Bucket) error {
		if !gone[b] {
			out.all.add(&e.Bkey)
		}
		return nil
	})
}

// clean makes a key clean that was copied, and reports whether it did.
func (j *Job) clean(e *inspect.Extent, out *Cleared) (done bool) {
	if !e.Dirty() {
		return false
	}
	for _, t := range j.targets {
		if t.Inode != e.Inode() {
			continue
		}
		if j.marked[t].overlaps(e.Start().Bytes(), e.Offset().Bytes()) {
			out.clean[t] = false
			return false
		}
		e.SetDirty(false)
		out.Keys++
		return true
	}
	return false
}

// Prove reads the cache as it will be: nothing is wrong with it, and it holds the same keys, but for those that are
// clean now. It wants nothing but after. Errors wrap ErrNotProven, or are the context's.
func (cl *Cleared) Prove(ctx context.Context, size int64) func(after io.ReaderAt) error {
	super, want := cl.super, cl.all
	return func(after io.ReaderAt) error {
		var found finding.Collector
		c, err := inspect.Open(ctx, after, super, inspect.Options{Size: size, Small: true, Sink: found.Add})
		if err != nil {
			return err
		}
		for _, f := range found.Findings() {
			if f.Severity == finding.Damage {
				return fmt.Errorf("%w: %v", ErrNotProven, f)
			}
		}
		var got tally
		for e, err := range c.Extents(inspect.Everything) {
			if err != nil {
				return err
			}
			if e.Live {
				got.add(&e.Bkey)
			}
		}
		if got.n != want.n || got.sum != want.sum {
			return fmt.Errorf("%w: %d keys of %d", ErrNotProven, got.n, want.n)
		}
		return nil
	}
}

// CleanState is what makes a target's device say that no cache has dirty data of it, where that is so and it does not
// say so yet; nil where there is nothing to write.
func (cl *Cleared) CleanState(t *Target) *plan.Plan {
	if !cl.clean[t] {
		return nil
	}
	return t.cleanState(cl.super)
}

// LaterState is CleanState of a target before it is known whether all of it can be copied.
func (j *Job) LaterState(t *Target) *plan.Plan { return t.cleanState(j.c.Super) }

func (t *Target) cleanState(cache *ondisk.Super) *plan.Plan {
	if t.Super.State() != ondisk.StateDirty || t.Super.SetUUID != cache.SetUUID || t.Newer != nil && t.Newer.DirtySectors > 0 {
		return nil
	}
	s := *t.Super
	s.SetState(ondisk.StateClean)
	return superPlan(&s)
}

// superPlan writes a backing device's superblock.
func superPlan(s *ondisk.Super) *plan.Plan {
	s.Csum = s.Checksum()
	p := new(plan.Plan)
	p.Then(plan.Write{Off: ondisk.SuperOffset, Data: s.Append(nil), What: "superblock"})
	p.Watched = []plan.Region{{Off: ondisk.SuperOffset, Bytes: ondisk.SuperSize}}
	return p
}

// Room plans to give up clean data, those that were longest unused, so that a new tree has room. It goes before Clear,
// in a transaction of its own: what the old tree leads to cannot be written to while it counts. Errors:
// change.ErrNoSpace.
func (j *Job) Room() (p *plan.Plan, given int, err error) {
	tx, err := change.Begin(j.c)
	if err != nil {
		return nil, 0, err
	}
	list, err := tx.MakeRoomFor(j.nodes() + j.c.Geo.PrioBuckets())
	if err != nil {
		return nil, 0, err
	}
	if len(list) == 0 {
		return nil, 0, fmt.Errorf("%w: the new tree, and there are no clean data to give up", change.ErrNoSpace)
	}
	if _, _, err := tx.RewritePrios(); err != nil {
		return nil, 0, err
	}
	tx.RetireEmpty()
	p, err = tx.Commit()
	return p, len(list), err
}

// nodes is how many a new tree takes at most.
func (j *Job) nodes() int {
	keys := int64(0)
	for _, v := range j.c.Volumes {
		keys += v.Extents
	}
	const keyBytes = 24
	inNode := j.c.Geo.NodeSectors.Bytes() * nodeFill / 100 / keyBytes / 2 // more than half full, whatever blocks are
	n := int64(2)
	for keys > 0 {
		keys /= max(inNode, 2)
		n += keys + 1
	}
	return int(n)
}

// Use goes on with the cache as it is after a change that moved no data; with nil it only tells what it counted.
func (j *Job) Use(c *inspect.Cache) { j.c = c }
