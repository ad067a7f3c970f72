// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"cmp"
	"slices"

	"bctl/internal/bcache/ondisk"
)

// An Entry is a valid jset and where it stands.
type Entry struct {
	*ondisk.Jset
	Ring   int           // number of its journal bucket
	Sector ondisk.Sector // on the device
	Bytes  int
}

// Entries are all that stand in an unbroken row from the start of their bucket, by seq.
func (c *Cache) Entries() (out []Entry) {
	for ring := range c.Geo.NJournal {
		start := c.Geo.Start(c.Geo.FirstBucket + ondisk.Bucket(ring))
		if _, err := ondisk.DecodeJset(c.Bytes(start.Bytes(), ondisk.MaxJsetBytes), c.Geo.SetMagic); err != nil {
			continue // most buckets: not worth reading whole
		}
		bucket := c.Bytes(start.Bytes(), int(c.Geo.BucketSectors.Bytes()))
		for at := 0; at < len(bucket); {
			j, err := ondisk.DecodeJset(bucket[at:], c.Geo.SetMagic)
			if err != nil {
				break
			}
			e := Entry{j, ring, start + ondisk.Sector(at/ondisk.SectorBytes), len(j.Append(nil))}
			out = append(out, e)
			at += c.roundUp(e.Bytes)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}

// Newest is the entry with the highest seq.
func (c *Cache) Newest() Entry {
	c.tb.Helper()
	all := c.Entries()
	if len(all) == 0 {
		c.tb.Fatal("no journal entry")
	}
	return all[len(all)-1]
}

// PutEntry writes a jset at a sector, checksum right, and zeros up to the end of its last block.
func (c *Cache) PutEntry(at ondisk.Sector, j *ondisk.Jset) {
	j.Seal(c.Geo.SetMagic)
	c.putBlocks(at, j.Append(nil))
}

// EditEntry changes an entry where it stands, and mends its checksum.
func (c *Cache) EditEntry(e Entry, change func(*ondisk.Jset)) {
	change(e.Jset)
	c.PutEntry(e.Sector, e.Jset)
}

// EditNewest changes the newest entry.
func (c *Cache) EditNewest(change func(*ondisk.Jset)) { c.tb.Helper(); c.EditEntry(c.Newest(), change) }

// RawEntry hands an entry's bytes to change; then it mends magic and checksum over the size it had before, so that
// hostile counts stay.
func (c *Cache) RawEntry(e Entry, change func(b []byte)) {
	c.Edit(e.Sector.Bytes(), e.Bytes, func(b []byte) {
		change(b)
		putUint64(b, ondisk.Crc64(b[8:]))
	})
}

// behind is where the entry after e belongs: directly behind it, or at the start of the next bucket of the ring.
func (c *Cache) behind(e Entry, size int) (ring int, at ondisk.Sector) {
	block := ondisk.Sector(c.roundUp(e.Bytes) / ondisk.SectorBytes)
	at = e.Sector + block
	start := c.Geo.Start(c.Geo.FirstBucket + ondisk.Bucket(e.Ring))
	if at+ondisk.Sector(c.roundUp(size)/ondisk.SectorBytes) <= start+c.Geo.BucketSectors {
		return e.Ring, at
	}
	return c.NextRing(e.Ring)
}

// NextRing is the start of the journal bucket after number ring.
func (c *Cache) NextRing(ring int) (int, ondisk.Sector) {
	ring = (ring + 1) % c.Geo.NJournal
	return ring, c.Geo.Start(c.Geo.FirstBucket + ondisk.Bucket(ring))
}

// after is a copy of e with the next seq and no keys.
func after(e Entry) *ondisk.Jset {
	j := *e.Jset
	j.Seq, j.Keys = e.Seq+1, nil
	return &j
}

// AddEntry writes the entry that follows the newest, where the kernel would.
func (c *Cache) AddEntry(change func(*ondisk.Jset)) Entry {
	c.tb.Helper()
	e := c.Newest()
	j := after(e)
	change(j)
	ring, at := c.behind(e, len(j.Append(nil)))
	c.PutEntry(at, j)
	return Entry{j, ring, at, len(j.Append(nil))}
}

// AddEntryInNextBucket writes the entry that follows the newest at the start of the next journal bucket.
func (c *Cache) AddEntryInNextBucket(change func(*ondisk.Jset)) Entry {
	c.tb.Helper()
	e := c.Newest()
	j := after(e)
	change(j)
	ring, at := c.NextRing(e.Ring)
	c.PutEntry(at, j)
	return Entry{j, ring, at, len(j.Append(nil))}
}

// WipeEntry overwrites an entry with zeros.
func (c *Cache) WipeEntry(e Entry) { c.putBlocks(e.Sector, make([]byte, e.Bytes)) }
