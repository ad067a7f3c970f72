// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
)

// Counts is how many buckets the cache may have whose device begins at byte 0 of r, which goes on for size bytes: no
// fewer than least, for those were used, and no more than most, for the prio chain tells no more gens. Where the chain is
// one set, all buckets that were ever used have an entry in it that is not zero, and what is behind the last bucket is
// zero: least can be taken. ok is false where the chain has more sets, or none that can be read.
func (t *Trace) Counts(r io.ReaderAt, size int64) (least, most ondisk.Bucket, ok bool) {
	if !t.PrioProven {
		return 0, 0, false
	}
	g := Sizes(t.BlockSectors, t.BucketSectors, 1, ondisk.Bucket(size/t.BucketSectors.Bytes()))
	per := ondisk.Bucket(g.PriosPerBucket())
	b := make([]byte, g.MetaSectors.Bytes())
	at, seq, sets, used := t.Newest.PrioBucket[0], uint64(0), ondisk.Bucket(0), ondisk.Bucket(0)
	for ; sets < ondisk.Bucket(g.PrioBuckets()); sets++ {
		if at == 0 || at >= uint64(g.NBuckets) || full.ReadAt(r, b, g.Start(ondisk.Bucket(at)).Bytes()) != nil {
			break
		}
		p, err := ondisk.DecodePrioSet(b, t.SetMagic)
		if err != nil || sets > 0 && p.Seq != seq {
			break
		}
		at, seq = p.NextBucket, p.Seq
		for i, e := range p.Data {
			if e != (ondisk.PrioEntry{}) {
				used = sets*per + ondisk.Bucket(i) + 1
			}
		}
	}
	most = min(g.NBuckets, sets*per)
	switch {
	case sets == 0:
		return 0, 0, false
	case sets == 1:
		return max(min(used, most), min(MinBuckets, most)), most, true
	}
	return min((sets-1)*per+1, most), most, true // behind the last bucket stands what the first set held
}
