// SPDX-License-Identifier: GPL-2.0-only

package alloc

// MaxInode is the largest number of a volume: KEY_INODE has 20 bits.
const MaxInode = 1<<20 - 1

const maxOpenBuckets = 128 // the largest MAX_OPEN_BUCKETS of any model

// A Key is the part of a bkey that the sector allocator looks at: the end of
// an extent.
type Key struct {
	Inode  uint32
	Offset uint64 // sectors
}

// An openBucket is struct open_bucket: a bucket that takes data until it is
// full.
type openBucket struct {
	key        Key    // end of what was written last; 0:0 if nothing ever was
	sector     uint64 // where the next data go; a full one's lies in the next bucket
	writePoint uint32
	free       int // sectors
	gen        uint8
	ever       bool // has a pointer: KEY_PTRS
}

// openBuckets is c->data_buckets.
type openBuckets struct {
	all   []openBucket
	order []uint8 // of use, the oldest first

	// How many have a key, and a write point, of each hash. Mostly that is
	// none or the one just found, and the search need not see all of them.
	keys   [2048]uint8
	points [256]uint8
}

func (k Key) hash() uint64 {
	return (k.Offset + uint64(k.Inode)<<40) * 0x9e3779b97f4a7c15 >> 53
}

func pointHash(writePoint uint32) uint8 { return uint8(writePoint * 0x9e3779b1 >> 24) }

// mark gives b a new key and write point.
func (o *openBuckets) mark(b *openBucket, k Key, writePoint uint32) {
	o.keys[b.key.hash()]--
	o.points[pointHash(b.writePoint)]--
	b.key, b.writePoint = k, writePoint
	o.keys[k.hash()]++
	o.points[pointHash(writePoint)]++
}

func newOpenBuckets(n int) openBuckets {
	o := openBuckets{all: make([]openBucket, n), order: make([]uint8, n)}
	for i := range o.order {
		o.order[i] = uint8(i)
	}
	o.keys[Key{}.hash()] = uint8(n)
	o.points[pointHash(0)] = uint8(n)
	return o
}

// used moves the bucket at pos behind all others.
func (o *openBuckets) used(pos int) {
	if pos == len(o.order)-1 { // mostly
		return
	}
	i := o.order[pos]
	copy(o.order[pos:], o.order[pos+1:])
	o.order[len(o.order)-1] = i
}

// flashVolumes is UUID_FLASH_ONLY of every inode, a bit each.
type flashVolumes []uint64

func (f flashVolumes) has(inode uint32) bool {
	return f != nil && f[inode/64]>>(inode%64)&1 != 0
}

// SetFlashOnly says whether inode is a flash-only volume or a cached device.
func (c *Cache) SetFlashOnly(inode uint32, flash bool) {
	if c.flash == nil {
		c.flash = make(flashVolumes, (MaxInode+1)/64)
	}
	bit := uint64(1) << (inode % 64)
	c.flash[inode/64] &^= bit
	if flash {
		c.flash[inode/64] |= bit
	}
}

// pick is the search of pick_data_bucket(). It goes from the newest to the
// oldest: an exact continuation of the last write ends it; of those the same
// task wrote to last, the one found last, the oldest, is kept; without either
// it is the oldest of all. Unused ones have key 0:0 and write point 0, and are
// found by these.
func (c *Cache) pick(k Key, writePoint uint32) (pos int) {
	o := &c.open
	apart := c.cfg.Model.FlashApart && c.flash != nil
	flash := apart && c.flash.has(k.Inode)
	noKey, points := o.keys[k.hash()] == 0, o.points[pointHash(writePoint)]
	if noKey && int(points) > len(o.order)/4 {
		for i, at := range o.order { // many: the oldest is near that end
			b := &o.all[at]
			if b.writePoint == writePoint && !(apart && c.flash.has(b.key.Inode) != flash) {
				return i
			}
		}
		return 0
	}
	for i := len(o.order) - 1; i >= 0 && !(noKey && points == 0); i-- {
		b := &o.all[o.order[i]]
		if b.writePoint == writePoint {
			points--
		}
		switch {
		case apart && c.flash.has(b.key.Inode) != flash:
		case b.key == k:
			return i
		case b.writePoint == writePoint:
			pos = i
		}
	}
	return pos
}

// A Request is the arguments of bch_alloc_sectors().
type Request struct {
	Key        Key // Offset: where the data start
	Sectors    int
	WritePoint uint32 // who writes, as a hash
	WritePrio  uint32 // above 0: copying gc, which has its own reserve
}

// A Placement is where data went.
type Placement struct {
	Bucket  int
	Gen     uint8
	Sector  uint64 // of the cache device
	Sectors int    // may be fewer than asked for
	End     Key
	Left    int // sectors left in the open bucket
}

// SectorAlloc is a call of bch_alloc_sectors(). The bucket is pinned for the
// caller until it calls Cache.Put.
type SectorAlloc struct {
	Request Request
	Wait    bool
	Out     Placement // once done

	alloc BucketAlloc
	begun bool // alloc is under way
	have  bool // alloc.bucket is ours
}

// Run is described at Op.
func (a *SectorAlloc) Run(c *Cache) Status {
	for {
		if !a.begun {
			pos := c.pick(a.Request.Key, a.Request.WritePoint)
			if a.open(c, &c.open.all[c.open.order[pos]]) {
				a.place(c, pos)
				return Done
			}
			a.alloc = BucketAlloc{Reserve: ReserveNone, Wait: a.Wait}
			if a.Request.WritePrio > 0 {
				a.alloc.Reserve = ReserveMovingGC
			}
			a.begun = true
		}
		if st := a.alloc.Run(c); st != Done {
			return st
		}
		a.begun, a.have = false, true
	}
}

// open gives ob the bucket that was allocated, if it is full and there is one.
// It reports whether ob has room.
func (a *SectorAlloc) open(c *Cache, ob *openBucket) bool {
	if ob.free == 0 && a.have {
		ob.free = c.cfg.BucketSize
		ob.sector = uint64(a.alloc.Bucket) * uint64(c.cfg.BucketSize)
		ob.gen = c.buckets[a.alloc.Bucket].gen
		ob.ever = true
		a.have = false
	}
	return ob.free > 0
}

// place is the rest of bch_alloc_sectors(), with the open bucket found.
func (a *SectorAlloc) place(c *Cache, pos int) {
	if a.have {
		// Somebody else opened a bucket that suits while we slept for ours:
		// ours is dropped, full and reclaimable, for gc to find.
		c.unpin(a.alloc.Bucket)
	}
	c.placeIn(&a.Request, pos, &a.Out)
}

// placeIn puts data into the open bucket at pos, which has room.
func (c *Cache) placeIn(r *Request, pos int, out *Placement) {
	ob := &c.open.all[c.open.order[pos]]
	c.open.used(pos)

	n := min(r.Sectors, ob.free)
	bucket := ob.sector / uint64(c.cfg.BucketSize)
	c.open.mark(ob, Key{r.Key.Inode, r.Key.Offset + uint64(n)}, r.WritePoint)
	out.Bucket, out.Gen, out.Sector, out.Sectors, out.End = int(bucket), ob.gen, ob.sector, n, ob.key
	ob.free -= n
	ob.sector += uint64(n)
	c.stats.SectorsWritten += uint64(n)
	if ob.free < c.cfg.BlockSize {
		ob.free = 0
	}
	out.Left = ob.free
	if ob.free > 0 {
		c.pin(uint32(bucket)) // one for the data, one for the open bucket
	}
}

// AllocSectors is bch_alloc_sectors() for a caller that may not wait. The
// bucket is pinned for the caller until it calls Put.
func (c *Cache) AllocSectors(r Request) (p Placement, ok bool) {
	ok = c.PlaceSectors(&r, &p)
	return p, ok
}

// PlaceSectors is AllocSectors without copies.
func (c *Cache) PlaceSectors(r *Request, out *Placement) (ok bool) {
	if pos := c.pick(r.Key, r.WritePoint); c.open.all[c.open.order[pos]].free > 0 { // mostly
		c.placeIn(r, pos, out)
		return true
	}
	a := SectorAlloc{Request: *r}
	ok = a.Run(c) == Done
	*out = a.Out
	return ok
}
