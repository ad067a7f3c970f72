// SPDX-License-Identifier: GPL-2.0-only

// Package sets says which bcache devices belong together: a cache, the volumes that its slots name, and the backing
// devices that name the cache's set.
//
//	backing device, state clean or dirty or stale  -> its set_uuid is the cache's
//	backing device, state none                     -> of no set, whatever its set_uuid: make-bcache writes a random one;
//	                                                  it is told with the set of that uuid, if that is there
//	slot of the cache                              -> a backing device, by uuid, or a flash-only volume
//
// What a device names and nobody brought is missing, and told with its uuid.
package sets

import (
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/blockdev"
	"bctl/superblock"
)

// A Device is a bcache device that is there.
type Device struct {
	Name    string
	Super   *ondisk.Super
	Kernel  *blockdev.Registered // nil: the kernel does not have it
	Inside  Inside               // of a cache
	Trouble string               // what is wrong with it; "" for nothing
}

// Inside is what a cache holds. The zero value is: nobody knows.
type Inside struct {
	Slots   uuids.Table // of one that was never registered: none
	Named   bool        // the slots are known
	Counted bool        // and so is all that is cached and dirty
	Volumes []*inspect.Volume
}

// Of is what a cache holds that was read whole.
func Of(c *inspect.Cache) Inside {
	k := c.Known()
	return Inside{Slots: c.UUIDs, Named: k.Names, Counted: k.All(), Volumes: c.Volumes}
}

// A Row is one device of a set: one that is there, one that is missing, or one that lives in the cache alone. What is
// not known, or does not apply, is nil.
type Row struct {
	Set        *string `json:"set_uuid"`
	Type       string  `json:"type"`    // cache, backing, flash or detached: what is left of a volume without a slot
	Device     *string `json:"device"`  // nil: missing, or in the cache alone
	Missing    bool    `json:"missing"` // it belongs here, and was not found
	UUID       *string `json:"uuid"`
	Label      *string `json:"label"`
	Inode      *uint32 `json:"inode"` // its slot in the cache
	State      *string `json:"state"` // of a cache: new, or used
	Mode       *string `json:"mode"`  // of a backing device: its cache mode
	Dirty      *uint64 `json:"dirty_bytes"`
	Rounded    bool    `json:"dirty_rounded"` // it is the kernel's own word
	Registered bool    `json:"registered"`    // by the kernel, now
	Bcache     *string `json:"bcache_device"` // /dev/bcacheN, if it runs
	Trouble    *string `json:"trouble"`
}

// A Set is a cache and what belongs to it. Without UUID: devices that belong to nothing.
type Set struct {
	UUID    *string  `json:"set_uuid"`
	Cache   *string  `json:"cache"` // the device; nil: missing
	Missing []string `json:"missing"`
	Rows    []Row    `json:"-"`
}

// Group puts devices together, in the order in which they are given; what belongs to no set comes last.
func Group(devices []Device) (sets []Set) {
	g := grouper{at: map[ondisk.UUID]int{}}
	for i := range devices {
		if d := &devices[i]; !d.Super.IsBacking() {
			g.cache(d)
		}
	}
	for i := range devices {
		if d := &devices[i]; d.Super.IsBacking() {
			g.backing(d)
		}
	}
	for i := range g.sets {
		g.finish(&g.sets[i])
		sets = append(sets, g.sets[i].Set)
	}
	if len(g.alone) > 0 {
		sets = append(sets, Set{Missing: []string{}, Rows: g.alone})
	}
	return sets
}

// building is a set in the making.
type building struct {
	Set
	uuid  ondisk.UUID
	cache *Device
	given map[ondisk.UUID]bool // backing devices
}

type grouper struct {
	sets  []building
	at    map[ondisk.UUID]int
	alone []Row
}

func (g *grouper) set(u ondisk.UUID) *building {
	i, ok := g.at[u]
	if !ok {
		i = len(g.sets)
		g.at[u] = i
		text := u.String()
		g.sets = append(g.sets, building{Set: Set{UUID: &text, Missing: []string{}}, uuid: u, given: map[ondisk.UUID]bool{}})
	}
	return &g.sets[i]
}

func (g *grouper) cache(d *Device) {
	row := rowOf(d, "cache")
	row.State = text("used")
	if !d.Super.Sync() {
		row.State = text("new")
	}
	if d.Inside.Counted {
		sum := uint64(0)
		for _, v := range d.Inside.Volumes {
			sum += uint64(v.DirtySectors.Bytes())
		}
		row.Dirty = &sum
	}
	s := g.set(d.Super.SetUUID)
	row.Set = s.UUID
	if s.cache != nil {
		row.Trouble = join(row.Trouble, "a second cache of this set: the kernel takes one")
	} else {
		s.cache, s.Cache = d, &d.Name
	}
	s.Rows = append(s.Rows, row)
}

func (g *grouper) backing(d *Device) {
	row := rowOf(d, "backing")
	row.State, row.Mode = text(d.Super.State().String()), text(d.Super.CacheMode().String())
	if d.Kernel != nil && d.Kernel.Dirty != nil {
		row.Dirty, row.Rounded = d.Kernel.Dirty, true
	}
	none := d.Super.State() == ondisk.StateNone
	if _, ok := g.at[d.Super.SetUUID]; none && !ok {
		row.of(d, Inside{Named: true, Counted: true})
		g.alone = append(g.alone, row)
		return
	}
	s := g.set(d.Super.SetUUID)
	row.Set = s.UUID
	if s.given[d.Super.UUID] {
		row.Trouble = join(row.Trouble, "another device has the same uuid: the kernel attaches one of them")
	}
	s.given[d.Super.UUID] = true
	if s.cache != nil {
		row.of(d, s.cache.Inside)
	}
	s.Rows = append(s.Rows, row)
}

// of fills in what the cache knows of a backing device.
func (r *Row) of(d *Device, in Inside) {
	if inode, ok := in.Slots.Find(d.Super.UUID); ok {
		r.Inode = &inode
	}
	if r.Dirty == nil {
		r.counted(&in)
	}
}

func (in *Inside) volume(inode *uint32) *inspect.Volume {
	for _, v := range in.Volumes {
		if inode != nil && v.Inode == *inode {
			return v
		}
	}
	return nil
}

// finish adds what is missing, and what lives in the cache alone.
func (g *grouper) finish(s *building) {
	if s.cache == nil {
		s.Missing = append(s.Missing, *s.UUID)
		s.Rows = append([]Row{{Set: s.UUID, Type: "cache", Missing: true}}, s.Rows...)
		return
	}
	in := &s.cache.Inside
	for i := range in.Slots {
		u, inode := &in.Slots[i], uint32(i)
		if uuids.StateOf(u) != uuids.Valid || s.given[u.UUID] {
			continue
		}
		row := Row{Set: s.UUID, Type: "backing", UUID: text(u.UUID.String()), Label: text(superblock.Label(u.Label)), Inode: &inode}
		row.counted(in)
		if row.Missing = !u.FlashOnly(); row.Missing {
			s.Missing = append(s.Missing, *row.UUID)
		} else {
			row.Type, row.Registered = "flash", s.cache.Kernel != nil
		}
		s.Rows = append(s.Rows, row)
	}
	for _, v := range in.Volumes {
		if state := in.Slots.State(v.Inode); in.Named && state != uuids.Valid && v.DirtySectors > 0 {
			row := Row{Set: s.UUID, Type: "detached", Inode: &v.Inode, Trouble: text("dirty data that no slot leads to")}
			if v.Slot != nil && uuids.WasFlash(v.Slot) {
				row.Trouble = text("a flash-only volume that was destroyed")
			}
			row.counted(in)
			s.Rows = append(s.Rows, row)
		}
	}
}

// counted fills in how much is dirty of the volume of a slot.
func (r *Row) counted(in *Inside) {
	if !in.Counted {
		return
	}
	sum := uint64(0)
	if v := in.volume(r.Inode); v != nil {
		sum = uint64(v.DirtySectors.Bytes())
	}
	r.Dirty = &sum
}

func rowOf(d *Device, kind string) Row {
	r := Row{
		Type: kind, Device: &d.Name, UUID: text(d.Super.UUID.String()), Label: text(superblock.Label(d.Super.Label)),
		Registered: d.Kernel != nil,
	}
	if d.Kernel != nil && d.Kernel.Device != "" {
		r.Bcache = &d.Kernel.Device
	}
	if d.Trouble != "" {
		r.Trouble = &d.Trouble
	}
	return r
}

func text(s string) *string { return &s }

func join(a *string, b string) *string {
	if a != nil {
		b = *a + "; " + b
	}
	return &b
}
