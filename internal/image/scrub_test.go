// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"math/rand/v2"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// Whatever a block holds, it is scrubbed to one of the same length, and its parts stay where they are.
func FuzzScrub(f *testing.F) {
	g := superblock.Sizes(8, 128, 1, 1024)
	g.SetMagic, g.NJournal = 0x1122334455667788, 8
	j := ondisk.Jset{Seq: 5, Version: 1, Keys: []ondisk.Bkey{ondisk.MakeKey(1, 100, 8)}}
	j.Seal(g.SetMagic)
	f.Add(j.Append(nil), uint8(0))
	parent := ondisk.MakePtr(3, g.Start(9), 0)
	b := ondisk.Bset{BsetHeader: ondisk.BsetHeader{Seq: 7, Version: 1}, Data: j.Keys}
	b.Seal(g.SetMagic, parent)
	f.Add(b.Append(nil), uint8(1))
	f.Add(make([]byte, 200), uint8(2))
	f.Fuzz(func(t *testing.T, block []byte, what uint8) {
		if len(block) > 1<<16 {
			return
		}
		block = append(block, make([]byte, (-len(block))&4095)...)
		m := newMasks(rand.NewChaCha8([32]byte{}))
		s := scrub{g: &g, masks: m, magic: m.magic(g.SetMagic), odd: 1}
		var out []byte
		switch what % 5 {
		case 0:
			out = s.ring(block)
			if len(block) > 0 && ondisk.CheckJset(block, g.SetMagic) == nil && ondisk.CheckJset(out, g.SetMagic^s.magic) != nil {
				t.Error("a good entry went bad")
			}
		case 1:
			out = s.node(block, s.parentOf(block, g.Start(9), 3))
		case 2:
			out = s.prios(block)
		case 3:
			out = s.table(block, uint32(what/5)%2)
		case 4:
			block = append(block, make([]byte, ondisk.SuperSize)...)[:ondisk.SuperSize]
			out = s.super(block)
			was, _ := ondisk.DecodeSuper(block)
			now, _ := ondisk.DecodeSuper(out)
			if (was.Csum == was.Checksum()) != (now.Csum == now.Checksum()) {
				t.Error("the checksum fits, and did not, or the other way round")
			}
		}
		if len(out) != len(block) {
			t.Fatalf("%d bytes of %d", len(out), len(block))
		}
	})
}

// Names are others, the same each time, and differ where they differed.
func TestMasks(t *testing.T) {
	m := newMasks(rand.NewChaCha8([32]byte{}))
	u := ondisk.UUID{1, 2, 3, 4, 5, 6, 0x47, 8, 0x99, 10, 11, 12, 13, 14, 15, 16}
	v := u
	v[3] ^= 0x40
	a, b := m.uuid(u), m.uuid(v)
	if a == u || a != m.uuid(u) || a.Distance(b) != 1 || a[6]>>4 != 4 || a[8]>>6 != 2 {
		t.Errorf("%v, %v", a, b)
	}
	for _, same := range []ondisk.UUID{{}, ondisk.InvalidUUID} {
		if m.uuid(same) != same {
			t.Errorf("%v is a name", same)
		}
	}
	label := func(s string) (l [32]byte) { copy(l[:], s); return l }
	one := m.label(label("data-1"))
	slot := m.label(label("data-1\nwhat was there"))
	if superblock.Label(one) != superblock.Label(slot) || superblock.Label(one) == "data-1" || len(superblock.Label(one)) != 6 || slot[6] != '\n' {
		t.Errorf("%q, %q", one, slot)
	}
	if m.label([32]byte{}) != ([32]byte{}) {
		t.Error("no label became one")
	}
	if m.failed != nil {
		t.Error(m.failed)
	}
}
