// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// Gone are superblocks and rings of which nothing is left, or not enough to call it a bcache device. All backing devices
// are at hand. Where there are no codes, a check has nothing to look at, and only a repair looks further.
var Gone = []Damage{
	{"superblock's first sector zeroed", "writeback-dirty", all(func(s *Scene) { s.Put(ondisk.SuperOffset, make([]byte, ondisk.SectorBytes)) }), nil},
	{"superblock zeroed", "writeback-crash", all(func(s *Scene) { wipe(s.Image) }), nil},
	{"superblock overwritten", "two-backing-flash", all(func(s *Scene) {
		s.Edit(0, 64<<10, func(b []byte) {
			for i := range b {
				b[i] = byte(i*i>>8 ^ i)
			}
		})
	}), nil},
	{"superblock zeroed, buckets with a logarithm", "version5", all(func(s *Scene) { wipe(s.Image) }), nil},
	{"journal zeroed", "writeback-dirty", all(func(s *Scene) { wipeRing(s) }), []finding.Code{finding.JRNone}},
	{"superblock and journal zeroed", "writeback-dirty", all(func(s *Scene) { wipe(s.Image); wipeRing(s) }), nil},
	{"superblock of a backing device zeroed", "writeback-dirty", all(func(s *Scene) { wipe(s.Back[0]) }), nil},
	{"superblocks of the cache and of a backing device zeroed", "two-backing-flash", all(func(s *Scene) { wipe(s.Image); wipe(s.Back[1]) }), nil},
	{"magics of the cache and of its backing device wiped", "writeback-dirty", all(func(s *Scene) {
		for _, m := range []*planter.Image{s.Image, s.Back[0]} {
			m.Put(ondisk.SuperOffset+24, make([]byte, 16))
		}
	}), []finding.Code{finding.SBMagic, finding.BDSuper}},
}

// all gives all backing devices.
func all(plant func(s *Scene)) func(*Scene) {
	return func(s *Scene) {
		s.Give = len(s.Back)
		plant(s)
	}
}

func wipe(m *planter.Image) { m.Put(ondisk.SuperOffset, make([]byte, ondisk.SuperSize)) }

func wipeRing(s *Scene) {
	for i := range s.Geo.NJournal {
		s.Put(s.Geo.Start(s.Geo.FirstBucket+ondisk.Bucket(i)).Bytes(), make([]byte, s.Geo.BucketSectors.Bytes()))
	}
}
