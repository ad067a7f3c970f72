// SPDX-License-Identifier: GPL-2.0-only

package truth

import (
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
)

// A Baseline is what a damage may change of what a set shows. It is made from the undamaged image and the bytes that were
// planted, by a reader that knows nothing of checks and checksums: the keys that came and went, sector by sector.
type Baseline struct {
	was, is *damages.Scene

	touched map[sector]*claims
	gens    map[ondisk.Bucket]bool // the prio chain says something else of them
	slots   map[uint32]bool        // inodes whose slot is another, or lies in what was planted
	blind   bool                   // the superblock says something else: nothing stands where it stood
	places  map[Place]bool         // of the cache, that planted keys lead to
}

// claims are what was planted and what went, of one sector.
type claims struct {
	planted []Place // 0: a key without data
	dirty   bool    // a planted one is
	gone    bool
	sealed  bool // it went from a bset whose checksum is right: nobody can see it
}

// Against compares a scene with what a damage made of it.
func Against(was, is *damages.Scene) *Baseline {
	b := &Baseline{was: was, is: is, touched: map[sector]*claims{}, gens: map[ondisk.Bucket]bool{}, slots: map[uint32]bool{}, places: map[Place]bool{}}
	if len(was.Entries()) == 0 {
		b.blind = true // never registered: it shows nothing
		return b
	}
	before, seen := map[ondisk.Bkey]int{}, map[ondisk.Bkey]bool{}
	for _, at := range b.changed() {
		switch g := &b.was.Geo; {
		case at < g.FirstBucket:
			b.blind = b.blind || b.superChanged()
		case at < g.FirstBucket+ondisk.Bucket(g.NJournal): // below
		case at == was.UUIDBucket():
			b.slotsOf(at)
		default:
			b.gensOf(at)
			keys, _ := b.keys(was.Image, at)
			left, sealed := b.keys(is.Main, at)
			count(before, keys, 1)
			count(before, left, -1)
			for _, k := range keys {
				seen[k] = seen[k] || !sealed
			}
		}
	}
	count(before, b.journal(was.Image), 1)
	count(before, b.journal(is.Main), -1)
	for k, n := range before {
		if n != 0 {
			b.touch(&k, n < 0, !seen[k])
		}
	}
	return b
}

func count(sums map[ondisk.Bkey]int, keys []ondisk.Bkey, by int) {
	for _, k := range keys {
		sums[k] += by
	}
}

// changed are the buckets that differ.
func (b *Baseline) changed() (out []ondisk.Bucket) {
	for _, at := range b.is.Main.Pages() {
		if string(b.was.Bytes(at, 4096)) != string(b.is.Main.Bytes(at, 4096)) {
			out = append(out, b.was.Geo.BucketOf(ondisk.Sector(at/ondisk.SectorBytes)))
		}
	}
	for _, at := range b.is.Main.Broken() {
		out = append(out, b.was.Geo.BucketOf(ondisk.Sector(at)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// superChanged reports whether a superblock that is right says something else than before.
func (b *Baseline) superChanged() bool {
	s := planter.ReadSuper(b.is.Main)
	return s.Csum == s.Checksum()
}

// keys are those of the bsets of the node at the start of a bucket, whatever their checksums, also behind blocks that are
// none.
func (b *Baseline) keys(m *planter.Image, at ondisk.Bucket) (out []ondisk.Bkey, sealed bool) {
	g := &b.was.Geo
	raw := m.Bytes(g.Start(at).Bytes(), int(g.NodeSectors.Bytes()))
	seq := uint64(0)
	sealed = true
	for off := int64(0); off+ondisk.BsetBytes <= int64(len(raw)); {
		h, err := ondisk.DecodeBsetHeader(raw[off:])
		if err != nil || h.CheckMagic(g.SetMagic) != nil || seq != 0 && h.Seq != seq || off+h.Bytes() > int64(len(raw)) {
			off += g.BlockSectors.Bytes()
			continue
		}
		seq = h.Seq
		fits := h.AnyGen(raw[off:off+h.Bytes()], ondisk.MakePtr(0, g.Start(at), uint64(g.ThisDev)))
		whole := false
		for gen := range 256 {
			whole = whole || fits(uint8(gen))
		}
		sealed = sealed && whole
		keys, _ := ondisk.DecodeKeys(raw[off+ondisk.BsetBytes : off+h.Bytes()])
		out = append(out, keys...)
		off += g.Blocks(h.Bytes()).Bytes()
	}
	return out, sealed
}

// journal are the keys of the entries that the newest needs, whatever their checksums.
func (b *Baseline) journal(m *planter.Image) (out []ondisk.Bkey) {
	g := &b.was.Geo
	var all []*ondisk.Jset
	for ring := range g.NJournal {
		raw := m.Bytes(g.Start(g.FirstBucket+ondisk.Bucket(ring)).Bytes(), int(g.BucketSectors.Bytes()))
		for off := int64(0); off+ondisk.JsetBytes <= int64(len(raw)); off += g.BlockSectors.Bytes() {
			if ondisk.JsetHasMagic(raw[off:], g.SetMagic) && off+ondisk.JsetSize(raw[off:]) <= int64(len(raw)) {
				all = append(all, ondisk.SalvageJset(raw[off:]))
			}
		}
	}
	newest := &ondisk.Jset{}
	for _, j := range all {
		if j.Seq > newest.Seq {
			newest = j
		}
	}
	for _, j := range all {
		if j.Seq >= newest.LastSeq {
			out = append(out, j.Keys...)
		}
	}
	return out
}

// unjournalled reports whether a sector's key went with a node before the journal had it, as just before a power cut, so
// that the journal's last word is what is left of it.
func (b *Baseline) unjournalled(s sector, was, is Place) bool {
	if b == nil || is == 0 || !is.Dirty() || len(b.is.Broken()) == 0 && (b.touched[s] == nil || !b.touched[s].gone) {
		return false
	}
	last, has := Place(0), false
	for _, e := range b.was.Entries() { // by seq
		for i := range e.Keys {
			k := &e.Keys[i]
			if k.Inode() != s.inode || k.Start() > s.at || k.Offset() <= s.at {
				continue
			}
			if last = 0; k.Ptrs() > 0 {
				last = Place(k.Ptr[0].Offset() + s.at - k.Start())
			}
			has = has || last == was&^DirtyPlace
		}
	}
	return !has && last == is&^DirtyPlace
}

// gensOf notes what a set of the prio chain says otherwise.
func (b *Baseline) gensOf(at ondisk.Bucket) {
	set := slices.Index(b.was.Chain(), at)
	if set < 0 {
		return
	}
	g := &b.was.Geo
	is, err := ondisk.DecodePrioSet(b.is.Main.Bytes(g.Start(at).Bytes(), int(g.MetaSectors.Bytes())), g.SetMagic)
	if err != nil {
		return // lost, and that is for the repair to see
	}
	was := b.was.Prios()
	for i := range is.Data {
		if n := set*g.PriosPerBucket() + i; n < len(was) && was[n].Gen != is.Data[i].Gen {
			b.gens[ondisk.Bucket(n)] = true
		}
	}
}

// slotsOf notes which slots are others.
func (b *Baseline) slotsOf(at ondisk.Bucket) {
	from := b.was.Geo.Start(at).Bytes()
	for i := range b.was.Geo.NrUUIDs() {
		off := from + int64(i)*ondisk.UUIDEntryBytes
		if slices.Contains(b.is.Main.Broken(), from/ondisk.SectorBytes) || string(b.was.Bytes(off, ondisk.UUIDEntryBytes)) != string(b.is.Main.Bytes(off, ondisk.UUIDEntryBytes)) {
			b.slots[uint32(i)] = true
		}
	}
}

// touch notes a key that came or went. Those that nobody can mean are damage alone.
func (b *Baseline) touch(k *ondisk.Bkey, planted, sealed bool) {
	const most = 1 << 16
	size := min(k.Size(), k.Offset())
	if size > most {
		return
	}
	for i := range size {
		at := sector{k.Inode(), k.Offset() - size + i}
		c := b.touched[at]
		if c == nil {
			c = new(claims)
			b.touched[at] = c
		}
		if !planted {
			c.gone, c.sealed = true, c.sealed || sealed
			continue
		}
		p := Place(0)
		if k.Ptrs() > 0 && k.Ptr[0].Dev() != ondisk.PtrCheckDev { // there is one cache, whatever its number
			p = Place(k.Ptr[0].Offset() + k.Size() - size + i)
		}
		c.planted = append(c.planted, p)
		b.places[p] = p != 0
		c.dirty = c.dirty || k.Dirty()
	}
}

// shows reports whether a sector may be where it is because that was planted, or be nowhere because of that.
func (b *Baseline) shows(s sector, was, is Place) bool {
	if b == nil {
		return false
	}
	if b.blind || was != 0 && b.gens[b.was.Geo.BucketOf(ondisk.Sector(was&^DirtyPlace))] {
		return true
	}
	c := b.touched[s]
	if c != nil && c.gone && is == 0 && (c.sealed || b.places[was&^DirtyPlace]) {
		return true // the key names another place of a volume now, or none
	}
	return c != nil && len(c.planted) > 0 && (is == 0 || slices.Contains(c.planted, is&^DirtyPlace))
}

// mayLose reports whether a sector may have been given up: the damage has a word about it, or about its place.
func (b *Baseline) mayLose(s sector, was Place) bool {
	return b == nil || b.behind(s) || (was&^DirtyPlace).At() >= b.is.Main.Size() || b.blind || b.slots[s.inode] || b.near(s) || b.places[was&^DirtyPlace] ||
		was != 0 && b.gens[b.was.Geo.BucketOf(ondisk.Sector(was&^DirtyPlace))]
}

// dirties reports whether a planted key says that a sector is dirty: it may be given up, and what was there shows.
func (b *Baseline) dirties(s sector) bool {
	return b != nil && (b.blind || b.touched[s] != nil && b.touched[s].dirty)
}

// hides reports whether what tells of a sector is gone, so that nobody can see that anything was there.
func (b *Baseline) hides(s sector) bool {
	return b != nil && (b.slots[s.inode] || b.touched[s] != nil && b.touched[s].gone)
}

// backed reports whether a backing device's superblock is another.
func (b *Baseline) backed(i int) bool {
	return string(b.was.Back[i].Bytes(ondisk.SuperOffset, ondisk.SuperSize)) != string(b.is.Back[i].Bytes(ondisk.SuperOffset, ondisk.SuperSize))
}

// behind reports whether a sector is behind the end of a backing device that became shorter.
func (b *Baseline) behind(s sector) bool {
	for i, m := range b.is.Back {
		if m.Size() != b.was.Back[i].Size() && s.at.Bytes() >= m.Size() {
			return true
		}
	}
	return false
}

// near reports whether something in a sector's block was planted, or went.
func (b *Baseline) near(s sector) bool {
	block := b.was.Geo.BlockSectors
	for at := s.at / block * block; at < s.at/block*block+block; at++ {
		if b.touched[sector{s.inode, at}] != nil {
			return true
		}
	}
	return false
}
