// SPDX-License-Identifier: GPL-2.0-only

// Package truth tells what a set of devices shows to its users, the slow and obvious way, and whether a repair is true to it:
// tests hold against it what fsck -y and the kernels make of a damage.
package truth

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

// A sector is one of a volume's.
type sector struct {
	inode uint32
	at    ondisk.Sector
}

// MayBeGone reports whether a repair said that it does not know of a sector.
func MayBeGone(perhaps []repair.Lost, inode uint32, at ondisk.Sector) bool {
	return slices.ContainsFunc(perhaps, func(l repair.Lost) bool { return l.Inode == inode && at >= l.Offset && at < l.Offset+l.Count })
}

// A Truth is what a set shows to its users: of each volume, by inode, where each of its sectors is.
type Truth struct {
	Set     ondisk.UUID
	Slots   uuids.Table
	Volumes map[uint32][]Place // of volumes that a slot names
	Backing []*ondisk.Super    // of the given backing devices
}

// A Place is where the cache holds a sector, in sectors of the device, with a bit for dirty; 0: it does not.
type Place uint64

const DirtyPlace Place = 1 << 63

func (p Place) At() int64   { return int64(p&^DirtyPlace) * ondisk.SectorBytes }
func (p Place) Dirty() bool { return p&DirtyPlace != 0 }

// Of reads what devices show.
func Of(devs []fsck.Device) (*Truth, error) {
	s, err := superblock.Read(devs[0].R)
	if err != nil {
		return nil, err
	}
	c, err := inspect.Open(context.Background(), devs[0].R, s, inspect.Options{Size: devs[0].Size, Sink: func(finding.Finding) {}})
	if err != nil {
		return nil, err
	}
	out := &Truth{Set: s.SetUUID, Slots: c.UUIDs, Volumes: map[uint32][]Place{}}
	for _, b := range devs[1:] {
		bs, err := superblock.Read(b.R)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name, err)
		}
		out.Backing = append(out.Backing, bs)
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
		v := out.Volumes[e.Inode()]
		if n := int(e.Offset()) - len(v); n > 0 {
			v = append(v, make([]Place, n)...)
			out.Volumes[e.Inode()] = v
		}
		for i := range e.Size() {
			p := Place(e.Ptr[0].Offset() + i)
			if e.Dirty() {
				p |= DirtyPlace
			}
			v[e.Start()+i] = p
		}
	})
	return out, err
}

// InodeOf is the volume of a backing device, as the kernel finds it.
func (t *Truth) InodeOf(i int) (uint32, bool) {
	b := t.Backing[i]
	if b.SetUUID != t.Set || b.State() != ondisk.StateClean && b.State() != ondisk.StateDirty {
		return 0, false
	}
	return t.Slots.Find(b.UUID)
}

// unknown reports whether the backing devices without a superblock were never attached.
func (t *Truth) Unknown(devs []fsck.Device) bool {
	for i := range t.Backing {
		if _, attached := t.InodeOf(i); !attached {
			continue
		}
		if _, err := superblock.Read(devs[i+1].R); err != nil {
			return false
		}
	}
	return true
}

// A Verdict is what is untrue of a repair, in words; none where nothing is.
type Verdict []string

// Add adds one.
func (v *Verdict) Add(format string, args ...any) { *v = append(*v, fmt.Sprintf(format, args...)) }

// Compare holds what a repaired set shows against what it showed undamaged, and what the repair said against that.
// devs are those before, done those after; base is what the damage may change, nil for nothing.
func Compare(was *Truth, base *Baseline, devs, done []fsck.Device, r *repair.Result) (bad Verdict) {
	now, err := Of(done)
	if err != nil {
		return Verdict{err.Error()}
	}
	said := map[sector]bool{}
	maybe := map[uint32][]repair.Lost{}
	for _, l := range r.Lost {
		if l.Perhaps() {
			maybe[l.Inode] = append(maybe[l.Inode], l)
			continue
		}
		for i := range l.Count {
			if l.Dirty && was.Volumes[l.Inode] != nil {
				said[sector{l.Inode, l.Offset + i}] = true
			}
		}
	}
	if r.Guess != "" { // it says so, and -p does not do it
		for i, b := range was.Backing {
			if now.Backing[i].SetUUID == b.SetUUID && superblock.DataOffset(now.Backing[i]) != superblock.DataOffset(b) {
				return bad
			}
		}
	}
	bad = append(bad, was.names(now, base, func(at sector) bool { return said[at] || MayBeGone(maybe[at.inode], at.inode, at.at) })...)
	silent := r.Before != nil && r.Before.Result != fsck.Damaged
	seen := map[uint32]bool{}
	for i := range was.Backing { // by device: a volume may have got another slot
		a, attached := was.InodeOf(i)
		if !attached {
			continue
		}
		b, still := now.InodeOf(i)
		if !still {
			b = a // it does not start, so nothing of it is wrong
		}
		seen[a], seen[b] = true, true
		c := &contents{inode: a, base: base, silent: silent, was: devs[0].R, now: done[0].R, below: devs[i+1].R, said: said, maybe: maybe[a]}
		bad = append(bad, c.compare(was.Volumes[a], now.Volumes[b])...)
	}
	for inode, v := range was.Volumes {
		if !seen[inode] {
			c := &contents{inode: inode, base: base, silent: silent, was: devs[0].R, now: done[0].R, said: said, maybe: maybe[inode]}
			bad = append(bad, c.compare(v, now.Volumes[inode])...)
		}
	}
	maps.DeleteFunc(said, func(at sector, _ bool) bool { return base.dirties(at) })
	if n := len(said); n > 0 {
		bad.Add("%d sectors are said to be given up that are there", n)
	}
	return bad
}

// names compares which volumes there are. What a volume had may be a volume of its own, if it is said that it is given up.
func (t *Truth) names(now *Truth, base *Baseline, said func(sector) bool) (bad Verdict) {
	told := func(inode uint32) bool {
		for at, p := range t.Volumes[inode] {
			if p.Dirty() && !said(sector{inode, ondisk.Sector(at)}) {
				return false
			}
		}
		return true
	}
	for i, b := range t.Backing {
		after := now.Backing[i]
		a, attached := t.InodeOf(i)
		n, still := now.InodeOf(i)
		switch {
		case base != nil && (base.blind || base.slots[a] || base.slots[n] || base.backed(i)):
		case attached && !still:
			bad.Add("backing device %d has no slot any more, it was %d", i, a)
		case attached && a != n && !told(a):
			bad.Add("backing device %d is volume %d, it was %d", i, n, a)
		case superblock.DataOffset(b) != superblock.DataOffset(after):
			bad.Add("backing device %d: data from sector %d on, it was %d", i, superblock.DataOffset(after), superblock.DataOffset(b))
		}
	}
	for i := range t.Slots {
		u := &t.Slots[i]
		if uuids.StateOf(u) != uuids.Valid || u.Flags&1 == 0 || len(t.Volumes[uint32(i)]) == 0 || // of one that is empty nothing else tells
			base != nil && (base.blind || base.slots[uint32(i)]) {
			continue
		}
		if i < len(now.Slots) && now.Slots[i].FlashOnly() && strings.HasPrefix(superblock.Label(now.Slots[i].Label), "lost+found") {
			continue // its name is lost, its data are not
		}
		if i >= len(now.Slots) || now.Slots[i].Flags&1 != u.Flags&1 || now.Slots[i].Sectors != u.Sectors { // its uuid may be lost
			bad.Add("flash-only volume %d is another", i)
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
	base            *Baseline
	silent          bool // nothing was found

	gone, spared, clean, other, cleaned int
	first                               ondisk.Sector
	a, b                                Place
}

func (c *contents) compare(was, now []Place) (bad Verdict) {
	for s := range ondisk.Sector(max(len(was), len(now))) {
		var a, b Place
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
		bad.Add("volume %d: %d dirty sectors are gone in silence, from %d on", c.inode, c.gone, c.first)
	}
	if c.spared > 0 {
		bad.Add("volume %d: %d dirty sectors are given up that the damage does not touch", c.inode, c.spared)
	}
	if c.other > 0 {
		bad.Add("volume %d: %d sectors have other data, the first %d: %v at %d, then %v at %d", c.inode, c.other, c.first, c.a.Dirty(), c.a.At(), c.b.Dirty(), c.b.At())
	}
	if c.cleaned > 0 {
		bad.Add("volume %d: %d dirty sectors are clean", c.inode, c.cleaned)
	}
	return bad
}

func (c *contents) differs(s ondisk.Sector, a, b Place) {
	key := sector{c.inode, s}
	perhaps := MayBeGone(c.maybe, key.inode, key.at)
	switch {
	case a.Dirty() && c.said[key]:
		if delete(c.said, key); !c.base.mayLose(key, a) {
			c.spared++
		}
	case c.base.shows(key, a, b), c.silent && c.base.hides(key):
	case c.base.unjournalled(key, a, b):
		// the write was never told to be durable: a lost node takes it along, as a power cut may
	case b != 0 && perhaps && (a.Dirty() || b.Dirty()) && a&^DirtyPlace != b&^DirtyPlace:
		// an older key of the same sectors shows: that the newer one may be gone was said
	case a.Dirty() && b == 0:
		if perhaps || c.below != nil && Same(c.was, a, c.below, Place(s), nil, s) {
			return // the backing device has it too
		}
		if c.gone++; c.gone == 1 {
			c.first = s
		}
	case b == 0:
		c.clean++
	case a&^DirtyPlace == b&^DirtyPlace:
		if a.Dirty() {
			c.cleaned++
		}
	case !Same(c.was, a, c.now, b, c.below, s):
		if c.other++; c.other == 1 {
			c.first = s
			c.a, c.b = a, b
		}
	}
}

// Same compares a sector that was at a with what is at b now.
func Same(was io.ReaderAt, a Place, now io.ReaderAt, b Place, below io.ReaderAt, s ondisk.Sector) bool {
	x, y := make([]byte, ondisk.SectorBytes), make([]byte, ondisk.SectorBytes)
	_, _ = now.ReadAt(y, b.At())
	switch {
	case a != 0:
		_, _ = was.ReadAt(x, a.At())
	case below != nil:
		_, _ = below.ReadAt(x, s.Bytes())
	}
	return bytes.Equal(x, y)
}

// Tramples reports whether a plan writes over data that are live once it is carried out.
func Tramples(r *repair.Result, now *Truth) bool {
	if r.Plans[0] == nil {
		return false
	}
	used := map[int64]bool{}
	for _, v := range now.Volumes {
		for _, p := range v {
			if p != 0 {
				used[p.At()] = true
			}
		}
	}
	for w := range r.Plans[0].Writes() {
		if strings.HasPrefix(w.What, "dirty data") {
			continue // that is where they are then: Compare looks whether it is they
		}
		for at := w.Off; at < w.Off+w.Len(); at += ondisk.SectorBytes {
			if used[at] {
				return true
			}
		}
	}
	return false
}

// After are the devices as they are once r is carried out.
func After(r *repair.Result, devs []fsck.Device) []fsck.Device {
	devs = slices.Clone(devs)
	for i, p := range r.Plans {
		if p != nil {
			devs[i].R = p.Overlay(devs[i].R)
		}
	}
	return devs
}
