// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/disk/plan"
	"bctl/internal/disk/signature"
	"bctl/internal/hint"
	"bctl/superblock"
)

// plan decides everything that will be written. What must not be overwritten comes first: whoever named the wrong
// device should hear of that, not of its size.
func (t *Formatted) plan(ctx context.Context, o FormatOptions) (err error) {
	super, d, format := o.Super, superblock.Device{Size: t.Size}, superblock.FormatCache
	if super.UUID.IsZero() {
		super.UUID = o.NewUUID()
	}
	if t.Backing {
		format = superblock.FormatBacking
	}
	if t.dev != nil {
		d.LogicalBlock = t.dev.LogicalBlock()
	}
	s, fault := format(super, d)
	if fault == nil && t.Backing && !o.AnyOffset {
		fault = superblock.DataOnBlock(super)
	}
	if t.dev != nil {
		if t.Replaces, err = evidence(ctx, t.dev, t.Size, s, o.SameSet); err != nil {
			return err
		}
		if err := o.refuse(t.Replaces); err != nil {
			return err
		}
		found, err := t.signatures(o)
		if err != nil || fault != nil {
			return first(err, fault)
		}
		t.Super = s
		t.planErase(found)
	}
	if fault != nil {
		return fault
	}
	t.Super = s
	if t.Replaces != nil && t.Replaces.journal && !t.Backing {
		off, n := superblock.JournalArea(s)
		t.erase(off, n, "old journal of the same set")
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Formatted) erase(off, n int64, what string) {
	t.zero = append(t.zero, span{off, n})
	t.Erased = append(t.Erased, what)
}

// signatures is the foreign signatures that may be overwritten.
func (t *Formatted) signatures(o FormatOptions) ([]signature.Found, error) {
	found, err := signature.Probe(t.dev, t.Size)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(f signature.Found) bool { return f.Name == "bcache" })
	if len(found) == 0 || o.Force {
		return found, nil
	}
	var texts []string
	for _, f := range found[:min(len(found), 5)] {
		texts = append(texts, f.String())
	}
	if len(found) > 5 {
		texts = append(texts, fmt.Sprintf("%d more", len(found)-5))
	}
	return nil, hint.Add(fmt.Errorf("it holds %s", strings.Join(texts, ", ")), "use --force to overwrite it")
}

// planErase erases them: mkfs and blkid want one signature on a device. What lies in a backing device's data may as
// well belong to the volume, which ends where the device ends: that is left, and told.
func (t *Formatted) planErase(found []signature.Found) {
	for _, f := range found {
		switch {
		case f.Offset < ondisk.SuperOffset+ondisk.SuperSize: // overwritten anyway
		case t.Backing && f.Offset >= superblock.DataOffset(t.Super).Bytes():
			t.Left = append(t.Left, f)
		default:
			t.erase(f.Offset, int64(f.Length), f.String())
		}
	}
}

// planSet makes the cache complete, for Init, and the backing devices part of it, for Attach. Their state must be
// clean: the kernel invalidates the slot of a device that says it is not attached.
func (o *FormatOptions) planSet(targets []*Formatted) (err error) {
	if !o.Init {
		return nil
	}
	o.Write.fill()
	now := uint32(o.Write.Time().Unix())
	var cache *Formatted
	var volumes []ondisk.UUIDEntry
	for _, t := range targets {
		switch {
		case !t.Backing:
			cache = t
		case o.Attach:
			volumes = append(volumes, ondisk.UUIDEntry{UUID: t.Super.UUID, Label: t.Super.Label, FirstReg: now, LastReg: now})
			t.Super.SetState(ondisk.StateClean)
			t.Super.Csum = t.Super.Checksum()
		}
	}
	if cache.set, err = NewSet(cache.Super, volumes, now, rand.Uint64()|1); err != nil {
		return fmt.Errorf("%s: %w", cache.Path, err)
	}
	return nil
}

// order is the plan of a device:
//
//	step 1   zeroes where the superblock is             from here on it is none of bcache's
//	step 2   zeroes over all that must not be met       and the set's metadata, but for the entry that leads to them
//	step 3   the journal entry                          where the set is made
//	step 4   the superblock                             from here on it is the new one
//
// So the new superblock never stands over old live entries, nor the old one over a journal half erased; undone it goes
// the same way back.
func (t *Formatted) order() (*plan.Plan, error) {
	super := func(data []byte, what string) plan.Write {
		return plan.Write{Off: ondisk.SuperOffset, Data: data, What: what}
	}
	rest := plan.NewOverlay(t.dev)
	rest.Put(plan.Zero(0, ondisk.SuperOffset, "the start"))
	for _, z := range t.zero {
		w, err := t.zeroes(rest, z)
		if err != nil {
			return nil, err
		}
		rest.Put(w)
	}
	var entry []plan.Write
	if t.set != nil {
		for _, w := range t.set.Steps[0] {
			rest.Put(w)
		}
		entry = t.set.Steps[1]
	}
	for _, w := range entry { // it overwrites what stands there: nothing is erased before
		rest.Put(w)
	}
	before := slices.DeleteFunc(rest.Writes(), func(w plan.Write) bool {
		return slices.ContainsFunc(entry, func(e plan.Write) bool { return e.Off == w.Off })
	})
	p := new(plan.Plan)
	p.Then(super(make([]byte, ondisk.SuperSize), "old superblock"))
	p.Then(before...)
	p.Then(entry...)
	p.Then(super(t.Super.Append(nil), "superblock"))
	return p, nil
}

// zeroes is a span of them, in whole sectors: what else stands in its first and last sector stays.
func (t *Formatted) zeroes(r *plan.Overlay, z span) (plan.Write, error) {
	const sector = ondisk.SectorBytes
	from, to := z.off/sector*sector, min((z.off+z.n+sector-1)/sector*sector, t.Size)
	if from == z.off && to == z.off+z.n {
		return plan.Zero(z.off, z.n, "zeroes"), nil
	}
	b := make([]byte, to-from) // a magic: it is short
	if err := full.ReadAt(r, b, from); err != nil {
		return plan.Write{}, err
	}
	clear(b[z.off-from:][:z.n])
	return plan.Write{Off: from, Data: b, What: "zeroes"}, nil
}

// verify looks for signatures as others will. All that was written was read back.
func (t *Formatted) verify() error {
	found, err := signature.Probe(t.dev, t.Size)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Name != "bcache" && !slices.Contains(t.Left, f) {
			return fmt.Errorf("%w: there is still %v", plan.ErrReadBack, f)
		}
	}
	return nil
}
