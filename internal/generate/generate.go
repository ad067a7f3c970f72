// SPDX-License-Identifier: GPL-2.0-only

// Package generate makes cache devices full of extents, of any size, for practice, tests and measurements: registered,
// sound, sparse, and the same to the last byte for the same numbers.
//
//	superblock | journal | prio chain, uuids | btree nodes | free | data
//
// The data buckets are divided into slots, and a permutation scatters the extents over them, so that neighbours in a
// volume lie anywhere on the cache, as they do in a cache that was used for a while. Nothing is kept of an extent: what
// there is of it follows from its number.
package generate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// ErrSpec says that there is no such cache.
var ErrSpec = errors.New("no such cache")

// Spec says what to make.
type Spec struct {
	Buckets       uint64
	BucketSectors ondisk.Sector
	BlockSectors  ondisk.Sector
	Extents       int64   // live ones
	Dirty         float64 // the share of them that is dirty, 0 to 1
	Stale         float64 // how many stale ones there are besides, as a share of the live ones
	Volumes       int     // cached ones, of backing devices that are not there
	Bsets         int     // of a node that has keys enough; 0: one
	Fill          int     // percent of each node that is filled; 0: all
	Free          uint64  // buckets that hold nothing, beside what the kernel reserves: room for a repair
	Seed          uint64
}

// Size is that of the device, in bytes.
func (s *Spec) Size() int64 { return int64(s.Buckets) * s.BucketSectors.Bytes() }

// name is a number that tells this cache from others: the kernel takes two with one set uuid for one set.
func (s *Spec) name() (n uint64) {
	for _, v := range []uint64{
		s.Buckets, uint64(s.BucketSectors), uint64(s.BlockSectors), uint64(s.Extents), math.Float64bits(s.Dirty), math.Float64bits(s.Stale),
		uint64(s.Volumes), uint64(s.Bsets), uint64(s.Fill), s.Seed,
	} {
		n = mix(n+1) ^ v
	}
	if s.Free > 0 { // what had no such number keeps its name
		n = mix(n+1) ^ s.Free
	}
	return n
}

// Result is what was made.
type Result struct {
	Size    int64 // bytes
	Extents int64 // live ones
	Dirty   int64 // of them
	Stale   int64 // besides them
	Live    ondisk.Sector
	Nodes   int
	Depth   int // level of the root
	SetUUID ondisk.UUID
}

// Now is when a generated cache was last registered, in seconds since 1970: always the same.
const Now = 1700000000

// Check says what is wrong with s; the error wraps ErrSpec.
func Check(s Spec) error {
	_, err := prepare(s, func(plan.Write) error { return nil })
	return err
}

// Make writes the cache to w, which is as large as Spec.Size says and all zero. The superblock comes last. Errors wrap
// ErrSpec, or are the context's and w's.
func Make(ctx context.Context, s Spec, w io.WriterAt, start progress.Starter) (Result, error) {
	m, err := prepare(s, func(b plan.Write) error {
		if _, err := w.WriteAt(b.Data, b.Off); err != nil {
			return fmt.Errorf("%s: %w", b.What, err)
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	if err := m.tree(ctx, start); err != nil {
		return Result{}, err
	}
	entry, err := m.set.Finish(newset.Contents{Volumes: m.volumes(), Root: m.root, Level: m.result.Depth, Entry: m.prio})
	if err != nil {
		return Result{}, err
	}
	super := plan.Write{Off: ondisk.SuperOffset, Data: m.super.Append(nil), What: "superblock"}
	for _, b := range []plan.Write{entry, super} {
		if _, err := w.WriteAt(b.Data, b.Off); err != nil {
			return Result{}, fmt.Errorf("%s: %w", b.What, err)
		}
	}
	return m.result, nil
}

// maker is a cache in the making.
type maker struct {
	Spec
	super   *ondisk.Super
	set     *newset.Set
	builder *btree.Builder
	rnd     rng // of the extents
	stale   int64
	layout  layout
	used    []uint64 // a bit a bucket: live data are in it
	root    ondisk.Bkey
	nodes   uint64
	result  Result
}

func prepare(s Spec, put func(plan.Write) error) (*maker, error) {
	if err := s.plausible(); err != nil {
		return nil, err
	}
	ids := rng(s.name())
	super, err := superblock.FormatCache(superblock.FormatOptions{
		UUID: ids.uuid(), SetUUID: ids.uuid(), BlockSectors: s.BlockSectors, BucketSectors: s.BucketSectors,
	}, superblock.Device{Size: s.Size()})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	newset.Register(super, Now)
	m := &maker{Spec: s, super: super, rnd: rng(s.Seed ^ 0x657874656e7473)}
	m.set, err = newset.New(super, 0, put)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	g := &m.set.Geo
	if s.Volumes > g.NrUUIDs() {
		return nil, fmt.Errorf("%w: %d volumes, there are %d slots", ErrSpec, s.Volumes, g.NrUUIDs())
	}
	if m.builder, err = m.set.Tree(s.Fill, s.Bsets, m.seq); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	m.stale = int64(float64(s.Extents)*s.Stale + 0.5)
	if m.layout, err = arrange(&m.Spec, g, m.stale, m.set.Left()); err != nil {
		return nil, err
	}
	m.used = make([]uint64, g.NBuckets/64+1)
	m.result = Result{
		Size: s.Size(), Extents: s.Extents, Dirty: int64(float64(s.Extents)*s.Dirty + 0.5), Stale: m.stale, SetUUID: super.SetUUID,
	}
	return m, nil
}

// plausible refuses numbers that mean nothing.
func (s *Spec) plausible() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	const most = 1 << 40
	switch {
	case s.Buckets > most || s.BucketSectors > superblock.MaxFormatBucket || s.Buckets*uint64(s.BucketSectors) > most<<10:
		return fmt.Errorf("%w: %d buckets of %d sectors", ErrSpec, s.Buckets, s.BucketSectors)
	case s.Free > s.Buckets:
		return fmt.Errorf("%w: %d of %d buckets free", ErrSpec, s.Free, s.Buckets)
	case s.Extents < 0 || s.Extents > most:
		return fmt.Errorf("%w: %d extents", ErrSpec, s.Extents)
	case !share(s.Dirty) || !share(s.Stale):
		return fmt.Errorf("%w: a share of %v dirty, %v stale; each is from 0 to 1", ErrSpec, s.Dirty, s.Stale)
	case s.Volumes < 0 || s.Volumes == 0 && s.Extents > 0:
		return fmt.Errorf("%w: %d extents of %d volumes", ErrSpec, s.Extents, s.Volumes)
	case int64(s.Volumes) > s.Extents && s.Extents > 0:
		return fmt.Errorf("%w: %d volumes with %d extents in all", ErrSpec, s.Volumes, s.Extents)
	}
	return nil
}

// every is how many extents are made between two looks at the context.
const every = 1 << 14

// tree makes all extents, and the nodes that lead to them.
func (m *maker) tree(ctx context.Context, start progress.Starter) error {
	total := m.Extents + m.stale
	count := start("extents", total)
	defer count.Done()
	x := extents{m: m, live: picker{m.Extents, total}, dirty: picker{m.result.Dirty, m.Extents}}
	for i := range total {
		if i%every == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			count.Add(min(every, total-i))
		}
		k := x.next(i, total)
		if err := m.builder.Add(&k); err != nil {
			return err
		}
	}
	var err error
	m.root, m.result.Depth, err = m.builder.Finish()
	m.result.Nodes = int(m.nodes)
	if err == nil && m.set.Left() < m.layout.buckets {
		return fmt.Errorf("%d nodes: more than there is room for", m.nodes) // the layout counted wrong
	}
	return err
}

// seq gives nodes numbers that look random, none twice.
func (m *maker) seq() uint64 {
	m.nodes++
	return max(mix(m.Seed^m.nodes<<32), 1)
}

func (m *maker) volumes() (t uuids.Table) {
	ids := rng(m.name() ^ 0x766f6c756d6573)
	for range m.Volumes {
		t = append(t, ondisk.UUIDEntry{UUID: ids.uuid(), FirstReg: Now, LastReg: Now})
	}
	return t
}

// gen is that of a data bucket: at least 1, so that there are older pointers.
func (m *maker) gen(b ondisk.Bucket) uint8 { return uint8(1 + mix(m.Seed^uint64(b)<<20)%4) }

// prio is what the chain says of a bucket: data were used at some time, what is free has no prio.
func (m *maker) prio(b ondisk.Bucket, meta bool) (e ondisk.PrioEntry) {
	switch {
	case meta:
		e.Prio = ondisk.BtreePrio
	case b >= m.layout.first:
		e.Gen = m.gen(b)
		if m.used[b/64]>>(b%64)&1 != 0 {
			e.Prio = uint16(1 + mix(m.Seed^uint64(b)<<24)%ondisk.InitialPrio)
		}
	}
	return e
}
