// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"fmt"

	"bctl/alloc"
)

// A Device is the state of a real cache to start from, as after registration.
type Device struct {
	Buckets []alloc.Bucket
	Journal []int // buckets of the journal
	UUID    int   // bucket of the uuids, 0 if there is none
	Nodes   []int // buckets of the btree
	Prios   []int // buckets of the prio sets, in order
	PrioSeq uint64
}

// NewFrom returns a cache that has just been registered with what is on d. The extents there count as live until
// their bucket is invalidated, but no request hits them: a trace does not know the device's volumes. Dirty ones stay.
// Errors: alloc.ErrConfig.
func NewFrom(cfg Config, d *Device) (*Sim, error) {
	if d == nil {
		return New(cfg)
	}
	s, err := build(cfg, true)
	if err != nil {
		return nil, err
	}
	if len(d.Buckets) != cfg.Alloc.NBuckets {
		return nil, fmt.Errorf("%w: %d buckets, the device has %d", alloc.ErrConfig, cfg.Alloc.NBuckets, len(d.Buckets))
	}
	if err := d.load(s.c); err != nil {
		return nil, err
	}
	for i := cfg.Alloc.FirstBucket; i < len(d.Buckets); i++ {
		switch b := d.Buckets[i]; b.Mark {
		case alloc.MarkDirty:
			s.dirty[i] = uint32(b.Used)
			s.dirtySectors += uint64(b.Used) // of volumes that no request is of: nobody writes it back
			fallthrough
		case alloc.MarkReclaimable:
			s.live[i] = uint32(b.Used)
			s.liveSectors += uint64(b.Used)
		}
	}
	for _, b := range d.Nodes {
		s.node[b] = true
		s.meta.nodes = append(s.meta.nodes, uint32(b))
	}
	if err := s.c.StartExisting(); err != nil {
		return nil, err
	}
	s.begin()
	return s, s.c.Err()
}

// load gives a cache that is not started the device's state.
func (d *Device) load(c *alloc.Cache) error {
	if len(d.Prios) != 0 && len(d.Prios) != c.PrioSlots() {
		return fmt.Errorf("%w: %d prio sets, want %d", alloc.ErrConfig, len(d.Prios), c.PrioSlots())
	}
	for i, b := range d.Buckets {
		c.SetBucket(i, b)
	}
	for _, b := range d.Journal {
		c.AddJournalBucket(b)
	}
	if d.UUID != 0 {
		c.AddUUIDBucket(d.UUID)
	}
	for slot, b := range d.Prios {
		c.SetPrioBucket(slot, b)
	}
	c.SetPrioSeq(d.PrioSeq)
	return nil
}
