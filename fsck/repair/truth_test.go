// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

// A truth is what a set shows to its users: of each volume, by inode, where each of its sectors is.
type truth struct {
	set     ondisk.UUID
	slots   uuids.Table
	volumes map[uint32][]place // of volumes that a slot names
	backing []*ondisk.Super    // of the given backing devices
}

// A place is where the cache holds a sector, in sectors of the device, with a bit for dirty; 0: it does not.
type place uint64

const dirtyPlace place = 1 << 63

func (p place) at() int64   { return int64(p&^dirtyPlace) * ondisk.SectorBytes }
func (p place) dirty() bool { return p&dirtyPlace != 0 }

// truthOf reads what devices show.
func truthOf(devs []fsck.Device) (*truth, error) {
	s, err := superblock.Read(devs[0].R)
	if err != nil {
		return nil, err
	}
	c, err := inspect.Open(context.Background(), devs[0].R, s, inspect.Options{Size: devs[0].Size, Sink: func(finding.Finding) {}})
	if err != nil {
		return nil, err
	}
	out := &truth{set: s.SetUUID, slots: c.UUIDs, volumes: map[uint32][]place{}}
	for _, b := range devs[1:] {
		bs, err := superblock.Read(b.R)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name, err)
		}
		out.backing = append(out.backing, bs)
	}
	if c.Journal == nil {
		return out, nil
	}
	var mu sync.Mutex
	err = c.Walk(func(_ int, e *inspect.Extent) {
		mu.Lock()
		defer mu.Unlock()
		if !e.Live || c.UUIDs.State(e.Inode()) != uuids.Valid {
			return
		}
		v := out.volumes[e.Inode()]
		if n := int(e.Offset()) - len(v); n > 0 {
			v = append(v, make([]place, n)...)
			out.volumes[e.Inode()] = v
		}
		for i := range e.Size() {
			p := place(e.Ptr[0].Offset() + i)
			if e.Dirty() {
				p |= dirtyPlace
			}
			v[e.Start()+i] = p
		}
	})
	return out, err
}

// inodeOf is the volume of a backing device, as the kernel finds it.
func (t *truth) inodeOf(i int) (uint32, bool) {
	b := t.backing[i]
	if b.SetUUID != t.set || b.State() != ondisk.StateClean && b.State() != ondisk.StateDirty {
		return 0, false
	}
	return t.slots.Find(b.UUID)
}

// unknown reports whether the backing devices without a superblock were never attached.
func (t *truth) unknown(devs []fsck.Device) bool {
	for i := range t.backing {
		if _, attached := t.inodeOf(i); !attached {
			continue
		}
		if _, err := superblock.Read(devs[i+1].R); err != nil {
			return false
		}
	}
	return true
}

// A verdict is what is untrue of a repair, in words; none where nothing is.
type verdict []string

func (v *verdict) add(format string, args ...any) { *v = append(*v, fmt.Sprintf(format, args...)) }

// compare holds what a repaired set shows against what it showed undamaged, and what the repair said against that.
// devs are those before, done those after; base is what the damage may change, nil for nothing.
func compare(was *truth, base *baseline, devs, done []fsck.Device, r *repair.Result) (bad verdict) {
	now, err := truthOf(done)
	if err != nil {
		return verdict{err.Error()}
	}
	said := map[sector]bool{}
	maybe := map[uint32][]repair.Lost{}
	for _, l := range r.Lost {
		if l.Perhaps() {
			maybe[l.Inode] = append(maybe[l.Inode], l)
			continue
		}
		for i := range l.Count {
			if l.Dirty && was.volumes[l.Inode] != nil {
				said[sector{l.Inode, l.Offset + i}] = true
			}
		}
	}
	if r.Guess != "" { // it says so, and -p does not do it
		for i, b := range was.backing {
			if now.backing[i].SetUUID == b.SetUUID && superblock.DataOffset(now.backing[i]) != superblock.DataOffset(b) {
				return bad
			}
		}
	}
	bad = append(bad, was.names(now, base, func(at sector) bool { return said[at] || mayBeGone(maybe[at.inode], at) })...)
	silent := r.Before != nil && r.Before.Result != fsck.Damaged
	seen := map[uint32]bool{}
	for i := range was.backing { // by device: a volume may have got another slot
		a, attached := was.inodeOf(i)
		if !attached {
			continue
		}
		b, still := now.inodeOf(i)
		if !still {
			b = a // it does not start, so nothing of it is wrong
		}
		seen[a], seen[b] = true, true
		c := &contents{inode: a, base: base, silent: silent, was: devs[0].R, now: done[0].R, below: devs[i+1].R, said: said, maybe: maybe[a]}
		bad = append(bad, c.compare(was.volumes[a], now.volumes[b])...)
	}
	for inode, v := range was.volumes {
		if !seen[inode] {
			c := &contents{inode: inode, base: base, silent: silent, was: devs[0].R, now: done[0].R, said: said, maybe: maybe[inode]}
			bad = append(bad, c.compare(v, now.volumes[inode])...)
		}
	}
	maps.DeleteFunc(said, func(at sector, _ bool) bool { return base.dirties(at) })
	if n := len(said); n > 0 {
		bad.add("%d sectors are said to be given up that are there", n)
	}
	return bad
}

// names compares which volumes there are. What a volume had may be a volume of its own, if it is said that it is given up.
func (t *truth) names(now *truth, base *baseline, said func(sector) bool) (bad verdict) {
	told := func(inode uint32) bool {
		for at, p := range t.volumes[inode] {
			if p.dirty() && !said(sector{inode, ondisk.Sector(at)}) {
				return false
			}
		}
		return true
	}
	for i, b := range t.backing {
		after := now.backing[i]
		a, attached := t.inodeOf(i)
		n, still := now.inodeOf(i)
		switch {
		case base != nil && (base.blind || base.slots[a] || base.slots[n] || base.backed(i)):
		case attached && !still:
			bad.add("backing device %d has no slot any more, it was %d", i, a)
		case attached && a != n && !told(a):
			bad.add("backing device %d is volume %d, it was %d", i, n, a)
		case superblock.DataOffset(b) != superblock.DataOffset(after):
			bad.add("backing device %d: data from sector %d on, it was %d", i, superblock.DataOffset(after), superblock.DataOffset(b))
		}
	}
	for i := range t.slots {
		u := &t.slots[i]
		if uuids.StateOf(u) != uuids.Valid || u.Flags&1 == 0 || len(t.volumes[uint32(i)]) == 0 || // of one that is empty nothing else tells
			base != nil && (base.blind || base.slots[uint32(i)]) {
			continue
		}
		if i < len(now.slots) && now.slots[i].FlashOnly() && strings.HasPrefix(superblock.Label(now.slots[i].Label), "lost+found") {
			continue // its name is lost, its data are not
		}
		if i >= len(now.slots) || now.slots[i].Flags&1 != u.Flags&1 || now.slots[i].Sectors != u.Sectors { // its uuid may be lost
			bad.add("flash-only volume %d is another", i)
		}
	}
	return bad
}

// contents compares the sectors of a volume.
type contents struct {
	inode           uint32
	was, now, below io.ReaderAt // below is nil for a flash-only volume
	said            map[sector]bool
	maybe           []repair.Lost // where the repair said that keys may be gone
	base            *baseline
	silent          bool // nothing was found

	gone, spared, clean, other, cleaned int
	first                               ondisk.Sector
	a, b                                place
}

func (c *contents) compare(was, now []place) (bad verdict) {
	for s := range ondisk.Sector(max(len(was), len(now))) {
		var a, b place
		if int(s) < len(was) {
			a = was[s]
		}
		if int(s) < len(now) {
			b = now[s]
		}
		if a != b {
			c.differs(s, a, b)
		}
	}
	if c.gone > 0 {
		bad.add("volume %d: %d dirty sectors are gone in silence, from %d on", c.inode, c.gone, c.first)
	}
	if c.spared > 0 {
		bad.add("volume %d: %d dirty sectors are given up that the damage does not touch", c.inode, c.spared)
	}
	if c.other > 0 {
		bad.add("volume %d: %d sectors have other data, the first %d: %v at %d, then %v at %d", c.inode, c.other, c.first, c.a.dirty(), c.a.at(), c.b.dirty(), c.b.at())
	}
	if c.cleaned > 0 {
		bad.add("volume %d: %d dirty sectors are clean", c.inode, c.cleaned)
	}
	return bad
}

func (c *contents) differs(s ondisk.Sector, a, b place) {
	key := sector{c.inode, s}
	perhaps := mayBeGone(c.maybe, key)
	switch {
	case a.dirty() && c.said[key]:
		if delete(c.said, key); !c.base.mayLose(key, a) {
			c.spared++
		}
	case c.base.shows(key, a, b), c.silent && c.base.hides(key):
	case c.base.unjournalled(key, a, b):
		// the write was never told to be durable: a lost node takes it along, as a power cut may
	case b != 0 && perhaps && (a.dirty() || b.dirty()) && a&^dirtyPlace != b&^dirtyPlace:
		// an older key of the same sectors shows: that the newer one may be gone was said
	case a.dirty() && b == 0:
		if perhaps || c.below != nil && same(c.was, a, c.below, place(s), nil, s) {
			return // the backing device has it too
		}
		if c.gone++; c.gone == 1 {
			c.first = s
		}
	case b == 0:
		c.clean++
	case a&^dirtyPlace == b&^dirtyPlace:
		if a.dirty() {
			c.cleaned++
		}
	case !same(c.was, a, c.now, b, c.below, s):
		if c.other++; c.other == 1 {
			c.first = s
			c.a, c.b = a, b
		}
	}
}

// same compares a sector that was at a with what is at b now.
func same(was io.ReaderAt, a place, now io.ReaderAt, b place, below io.ReaderAt, s ondisk.Sector) bool {
	x, y := make([]byte, ondisk.SectorBytes), make([]byte, ondisk.SectorBytes)
	_, _ = now.ReadAt(y, b.at())
	switch {
	case a != 0:
		_, _ = was.ReadAt(x, a.at())
	case below != nil:
		_, _ = below.ReadAt(x, s.Bytes())
	}
	return bytes.Equal(x, y)
}

// tramples reports whether a plan writes over data that are live once it is carried out.
func tramples(r *repair.Result, now *truth) bool {
	if r.Plans[0] == nil {
		return false
	}
	used := map[int64]bool{}
	for _, v := range now.volumes {
		for _, p := range v {
			if p != 0 {
				used[p.at()] = true
			}
		}
	}
	for w := range r.Plans[0].Writes() {
		if strings.HasPrefix(w.What, "dirty data") {
			continue // that is where they are then: compare looks whether it is they
		}
		for at := w.Off; at < w.Off+w.Len(); at += ondisk.SectorBytes {
			if used[at] {
				return true
			}
		}
	}
	return false
}

// repairWell repairs devices and says what is untrue of it: the truth is that of the undamaged ones.
func repairWell(t testing.TB, was *truth, devs []fsck.Device) (r *repair.Result, bad verdict) {
	t.Helper()
	return repairBy(t, was, nil, devs)
}

// repairBy is repairWell where the damage may change what base says; nil for nothing.
func repairBy(t testing.TB, was *truth, base *baseline, devs []fsck.Device) (r *repair.Result, bad verdict) {
	t.Helper()
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: now}})
	if err != nil {
		return nil, verdict{"no plan: " + err.Error()}
	}
	if slices.Equal(codes(r.After), []finding.Code{finding.BDSuper}) && was.unknown(after(r, devs)) {
		return r, nil // the superblock of a device that the cache knows nothing of
	}
	if r.After.Result == fsck.Damaged {
		bad.add("left: %v", codes(r.After))
		return r, bad
	}
	if r.Before != nil && slices.ContainsFunc(r.Before.Findings, func(f finding.Finding) bool { return f.Code == finding.JRTorn }) && r.Before.Result != fsck.Damaged {
		return r, nil // as after a crash: the kernel, too, shows what was before that entry
	}
	done := after(r, devs)
	bad = compare(was, base, devs, done, r)
	if r.Before != nil && r.Before.Result != fsck.Damaged {
		for i, p := range r.Plans {
			if p != nil {
				bad.add("nothing is damaged, and device %d is written to", i)
			}
		}
		return r, bad
	}
	if after, err := truthOf(done); err == nil && tramples(r, after) {
		bad.add("live data are written over")
	}
	bad = append(bad, takenBack(t, devs, r)...)
	again, err := repair.Plan(context.Background(), done[0], done[1:], repair.Options{Options: fsck.Options{Now: now}})
	switch {
	case err != nil:
		bad.add("second run: %v", err)
	case len(codes(again.Before)) > 0:
		bad.add("a second run finds %v", codes(again.Before))
	default:
		for i, p := range again.Plans {
			if p != nil {
				bad.add("a second run would write to device %d", i)
			}
		}
	}
	return r, bad
}
