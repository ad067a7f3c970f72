// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/scenes"
)

// A program is a base image and edits of its metadata, six bytes each: structure, which of them, offset (two bytes),
// what to do, value. Checksums are mended, so that a check goes on past them; a flag leaves them broken.
const editBytes = 6

// The structures that an edit may hit, and what else it may do with them.
const (
	editSuper = iota
	editNewest
	editLive
	editPrio
	editUUIDs
	editSet
	editKeys // the last bset of a node, so that its keys change their shape
	editKinds

	writeByte = 0
	flipBits  = 1
	writeWord = 2 // the byte, spread by its sign over eight
	writeRaw  = 3 // no checksum mended
)

// edit applies one edit. Structures are where the sound image had them.
func edit(s, sound *damages.Scene, e []byte) {
	off := int64(binary.LittleEndian.Uint16(e[2:]))
	change := func(b []byte, from int) {
		if len(b) <= from {
			return
		}
		at := from + int(off)%(len(b)-from)
		switch e[4] % 4 {
		case flipBits:
			b[at] ^= e[5]
		case writeWord:
			for i := range b[at:min(at+8, len(b))] {
				b[at+i] = byte(int8(e[5]) >> (7 * min(i, 1)))
			}
		default:
			b[at] = e[5]
		}
	}
	mend := e[4]%4 != writeRaw
	switch entries := sound.Entries(); e[0] % editKinds {
	case editSuper:
		s.Edit(ondisk.SuperOffset, 240, func(b []byte) { change(b, 8) })
		if mend {
			s.EditSuper(func(*ondisk.Super) {})
		}
	case editNewest, editLive:
		j := entries[len(entries)-1]
		if e[0]%editKinds == editLive && len(entries) > 1 {
			j = entries[len(entries)-1-int(e[1])%2]
		}
		s.Edit(j.Sector.Bytes(), j.Bytes, func(b []byte) { change(b, 16) })
		if mend {
			s.RawEntry(j, func([]byte) {})
		}
	case editPrio:
		at, n := sound.Geo.Start(sound.Chain()[0]).Bytes(), int(sound.Geo.MetaSectors.Bytes())
		s.Edit(at, n, func(b []byte) {
			change(b, 16)
			if mend {
				binary.LittleEndian.PutUint64(b, ondisk.Crc64(b[8:]))
			}
		})
	case editUUIDs:
		s.Edit(sound.Geo.Start(sound.UUIDBucket()).Bytes(), 512, func(b []byte) { change(b, 0) })
	case editSet, editKeys:
		levels := sound.Levels()
		nodes := levels[int(e[1])%len(levels)]
		n := nodes[int(e[1]/16)%len(nodes)]
		sets := sound.Sets(n)
		set, from := sets[int(e[1])%len(sets)], 16
		if e[0]%editKinds == editKeys {
			set, from = sets[len(sets)-1], ondisk.BsetBytes
		}
		s.Edit((n.Sector() + set.At).Bytes(), int(set.Bytes()), func(b []byte) {
			change(b, from)
			if mend {
				binary.LittleEndian.PutUint64(b, ondisk.Crc64Seeded(uint64(n.Key.Ptr[0]), b[8:]))
			}
		})
	}
}

// play runs a program and checks what comes of it. Nothing may panic, and holdsTogether looks at every report.
func play(t testing.TB, images []string, program []byte) {
	if len(program) == 0 || len(program) > 1+8*editBytes {
		return
	}
	name := images[int(program[0])%len(images)]
	sound, s := scenes.Open(t, name), scenes.Open(t, name)
	s.Give = min(int(program[0]/16)%3, len(s.Back))
	for rest := program[1:]; len(rest) >= editBytes; rest = rest[editBytes:] {
		edit(s, sound, rest)
	}
	if _, err := run(t, s); err != nil && s.Super().Magic == ondisk.SuperMagic && s.Give == 0 {
		t.Errorf("%s: %v", name, err)
	}
}

// The kernel's images, and the small one with two levels that is quick.
func fuzzed(t testing.TB) []string {
	return append(imgtest.Names(t), "hostile", "made-chain", "made-tree")
}

func FuzzRun(f *testing.F) {
	images := fuzzed(f)
	for i := range images {
		f.Add([]byte{byte(i)})
		for kind := range byte(editKinds) {
			f.Add([]byte{byte(i), kind, 1, 7, 0, flipBits, 0x80})
			f.Add([]byte{byte(i) + 16, kind, 17, 40, 0, writeWord, 0x80, editSet, 0, 12, 0, writeByte, 255})
		}
	}
	f.Fuzz(func(t *testing.T, program []byte) { play(t, images, program) })
}

// Always the same few hundred programs, for those who do not fuzz.
func TestPrograms(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{3})
	images := fuzzed(t)
	for i := range 150 {
		program := make([]byte, 1+(1+i%4)*editBytes)
		if _, err := rnd.Read(program); err != nil {
			t.Fatal(err)
		}
		play(t, images, program)
		if t.Failed() {
			t.Fatalf("program %x", program)
		}
	}
}
