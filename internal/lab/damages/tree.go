// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// child changes the last child of made-tree's first node of level 1.
func child(change func(s *Scene, k *ondisk.Bkey)) func(*Scene) {
	return func(s *Scene) {
		s.EditSet(s.upper(0), 0, func(b *ondisk.Bset) { change(s, &b.Data[len(b.Data)-1]) })
	}
}

// leafAt moves the last leaf of made-tree to another bucket.
func leafAt(b func(s *Scene) ondisk.Bucket) func(*Scene) {
	return func(s *Scene) {
		to, leaf := b(s), s.Leaves()[3]
		k := leaf.Key
		k.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(to), 0)
		s.EditSet(s.upper(1), 0, func(set *ondisk.Bset) { set.Data[1] = k })
		s.PutNode(to, 0, 777, leaf.Key.Pos(), s.Sets(leaf)[0].Data...)
	}
}

var treeProofs = []Proof{
	{"K54", damaged, finding.BTShort, "made-tree", func(s *Scene) {
		s.AddSet(s.Leaves()[0], s.Key(0, 1100, 20, s.freeAt(), 0))
	}, nil, ""},
	{"U47", damaged, finding.BTShort, "made-tree", func(s *Scene) {
		s.AddSet(s.Leaves()[1], s.Key(0, 1040, 80, s.freeAt(), 0))
	}, nil, ""},
	{"U47", damaged, finding.BTTiling, "made-tree", func(s *Scene) {
		s.EditSet(s.upper(1), 0, func(b *ondisk.Bset) { b.Data = b.Data[:1] })
	}, nil, ""},
	{"U47", damaged, finding.BTTiling, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.Low -= 100 }), nil, ""},
	{"K58", damaged, finding.BTChild, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.SetDirty(true) }), []finding.Code{finding.BTTiling}, ""},
	{"K58", damaged, finding.BTChild, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.SetSize(0) }), []finding.Code{finding.BTTiling}, ""},
	{"K58", damaged, finding.BTChild, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.SetPtrs(0) }), []finding.Code{finding.BTTiling}, ""},
	{"K59", damaged, finding.BTChild, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 0, 0) }), []finding.Code{finding.BTTiling}, ""},
	{"K60", damaged, finding.BTChild, "made-tree", child(func(s *Scene, k *ondisk.Bkey) {
		k.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.NBuckets), 0)
	}), []finding.Code{finding.BTTiling}, ""},
	{"K61", damaged, finding.BTChild, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] += 4 << 8 }), []finding.Code{finding.BTTiling}, ""},
	{"K70", damaged, finding.BTDuplicate, "made-tree", func(s *Scene) {
		k := s.PutNode(s.Free(1)[0], 0, 888, s.Leaves()[0].Key.Pos())
		s.Insert(s.upper(0), k)
	}, nil, ""},
	{"K56", damaged, finding.BTNoChild, "made-tree", func(s *Scene) {
		for _, n := range s.Levels()[1] {
			s.SetGen(s.bucketOf(n.Key), 1)
		}
	}, nil, ""},
	{"U21", damaged, finding.BTLevel, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.Level = 1 }), nil, ""},
	{"U21", damaged, finding.BTLevel, "made-tree", newest(func(_ *Scene, j *ondisk.Jset) { j.Level = 1 }), nil, ""},
	{"U21", damaged, finding.BTLevel, "made-tree", newest(func(_ *Scene, j *ondisk.Jset) { j.Level = 3 }), nil, ""},
	{"U48", damaged, finding.BTLevel, "made-tree", func(s *Scene) {
		leaves, keys := s.Leaves(), []ondisk.Bkey{}
		for _, n := range leaves[2:] {
			keys = append(keys, n.Key)
		}
		k := s.PutNode(s.Free(1)[0], 0, 999, ondisk.MaxKey.Pos(), keys...)
		s.EditSet(s.upper(1), 0, func(b *ondisk.Bset) { b.Data[1] = k })
	}, nil, ""},
	{"U46", damaged, finding.BTTwice, "made-tree", func(s *Scene) {
		other := s.Leaves()[0].Key
		child(func(_ *Scene, k *ondisk.Bkey) { k.Ptr = other.Ptr })(s)
	}, nil, ""},
	{"U46", damaged, finding.BTTwice, "made-tree", func(s *Scene) { // a loop: the root is its own grandchild
		root := s.Root().Key
		child(func(_ *Scene, k *ondisk.Bkey) { k.Ptr = root.Ptr })(s)
	}, nil, ""},
	{"U46", damaged, finding.BTReserved, "made-tree", leafAt(func(s *Scene) ondisk.Bucket { return s.Geo.FirstBucket + 5 }), nil, ""},
	{"U46", damaged, finding.UUGarbage, "made-tree", leafAt(func(s *Scene) ondisk.Bucket { return s.UUIDBucket() }), []finding.Code{finding.BTReserved}, ""},
	{"U59", damaged, finding.BTReserved, "made-tree", leafAt(func(s *Scene) ondisk.Bucket { return s.Chain()[0] }), []finding.Code{finding.PRChecksum, finding.PRShared}, ""},
	{"U49", damaged, finding.BTChildShape, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.SetSize(k.Size() - 4) }), nil, ""},
	{"U49", damaged, finding.BTChildShape, "made-tree", child(func(_ *Scene, k *ondisk.Bkey) { k.SetPtrs(2); k.Ptr[1] = k.Ptr[0] }), nil, ""},
	{"U55", warning, finding.BTSeqTwice, "made-tree", func(s *Scene) {
		s.EditSet(s.Leaves()[0], 0, func(b *ondisk.Bset) { b.Seq = 101 })
	}, nil, ""},
	{"U56", note, finding.BTSalvage, "made-tree", func(s *Scene) {
		s.Flip(s.upper(1).Sector().Bytes(), 0)
	}, []finding.Code{finding.BTChecksum}, ""},
}
