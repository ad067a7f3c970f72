// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/internal/lab/truth"
)

// Of a live journal entry of which one run of keys is damaged, or the header, the others are kept: over what entries before it
// say, and under what those behind it do. Where damage is scattered, or part of it is of elsewhere, none is.
func TestDamagedEntry(t *testing.T) {
	garbage := func(b []byte) {
		for i := range b {
			b[i] ^= byte(17 * (i + 1))
		}
	}
	for name, x := range map[string]struct {
		harm func(b []byte)
		kept []int // of the keys
	}{
		"one run":   {func(b []byte) { garbage(b[ondisk.JsetBytes+24*3 : ondisk.JsetBytes+24*6+8]) }, []int{1, 2, 7, 8, 9}},
		"header":    {func(b []byte) { garbage(b[40:160]) }, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		"scattered": {func(b []byte) { garbage(b[ondisk.JsetBytes+24*3:][:24]); garbage(b[ondisk.JsetBytes+24*7:][:24]) }, nil},
		"elsewhere": {func(b []byte) { copy(b[512:], b[:240]) }, nil},
	} {
		s := scenes.Open(t, "made-small")
		free := s.Free(40)
		key := func(i, version int) ondisk.Bkey {
			k := planter.Dirty(s.Key(0, ondisk.Sector(504+104*i), 8, s.Geo.Start(free[i+13*version]), 0))
			s.Put(k.Ptr[0].Offset().Bytes(), []byte{byte(version), byte(i)})
			return k
		}
		var middle []ondisk.Bkey
		for i := range 13 {
			middle = append(middle, key(i, 1))
		}
		first, last := key(1, 0), key(0, 2)
		s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{first} })
		e := s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.Keys = middle })
		s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{last} })
		is := kept(t, name, s, func() { s.Edit(e.Sector.Bytes(), int(e.Bytes), x.harm) })
		for i, k := range middle {
			want := truth.Place(0)
			switch {
			case i == 0:
				want = truth.Place(last.Ptr[0].Offset()) | truth.DirtyPlace
			case slices.Contains(x.kept, i):
				want = truth.Place(k.Ptr[0].Offset()) | truth.DirtyPlace
			case i == 1:
				want = truth.Place(first.Ptr[0].Offset()) | truth.DirtyPlace
			case i > 9:
				continue
			}
			got := truth.Place(0)
			if v := is.Volumes[0]; int(k.Start()) < len(v) {
				got = v[k.Start()]
			}
			if got != want {
				t.Errorf("%s: key %d: sector %d is at %d, want %d", name, i, k.Start(), got.At(), want.At())
			}
		}
	}
}
