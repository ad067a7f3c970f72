// SPDX-License-Identifier: GPL-2.0-only

package damages

import "bctl/internal/bcache/ondisk"

// writeBack copies what the cache has of the first volume to its backing device, the oldest key first, as writeback in
// the end does; the keys stay dirty, as they are until they are written anew.
func writeBack(s *Scene) {
	move := func(k *ondisk.Bkey) {
		if k.Inode() == 0 && k.Ptrs() == 1 && k.Size() > 0 {
			s.Back[0].Put(k.Start().Bytes(), s.Bytes(k.Ptr[0].Offset().Bytes(), int(k.Size().Bytes())))
		}
	}
	for _, n := range s.Leaves() {
		for _, set := range s.Sets(n) {
			for i := range set.Data {
				move(&set.Data[i])
			}
		}
	}
	newest := s.Newest()
	for _, e := range s.Entries() {
		for i := range e.Keys {
			if e.Seq >= newest.LastSeq {
				move(&e.Keys[i])
			}
		}
	}
}

// attaching is a crash inside attach: the backing device says that it is attached, and its slot did not get to the disk.
func attaching(s *Scene) {
	backing(func(sb *ondisk.Super) { sb.SetState(ondisk.StateClean); sb.SetUUID = s.Super().SetUUID })(s)
}
