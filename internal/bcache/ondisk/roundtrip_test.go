// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"bytes"
	"errors"
	"testing"

	"bctl/internal/lab/imgtest"
)

// The kernel's blocks decode, their checksums hold, and they encode to the same bytes.
func TestKernelMade(t *testing.T) {
	for _, s := range imgtest.Seeds(t, "super") {
		sup, err := DecodeSuper(s.Data)
		if err != nil {
			t.Errorf("%v: %v", s, err)
			continue
		}
		same(t, s, sup.Append(nil))
		if sup.Csum != sup.Checksum() || sup.Magic != SuperMagic || sup.IsBacking() != (s.File != "cache") {
			t.Errorf("%v: checksum %#x, want %#x; version %d", s, sup.Csum, sup.Checksum(), sup.Version)
		}
	}
	for _, s := range imgtest.Seeds(t, "jset") {
		j, err := DecodeJset(s.Data, s.SetMagic(t))
		if err != nil {
			t.Errorf("%v: %v", s, err)
			continue
		}
		same(t, s, j.Append(nil))
		if !j.BtreeRoot.IsMax() || j.Version != 1 || j.LastSeq > j.Seq {
			t.Errorf("%v: %+v", s, j)
		}
		for i := range j.Keys {
			if k := &j.Keys[i]; !k.PadsZero() || k.Size() == 0 {
				t.Errorf("%v: key %d: %v", s, i, k)
			}
		}
	}
	for _, s := range imgtest.Seeds(t, "prio") {
		p, err := DecodePrioSet(s.Data, s.SetMagic(t))
		if err != nil {
			t.Errorf("%v: %v", s, err)
			continue
		}
		same(t, s, p.Append(nil))
		if len(p.Data) != (len(s.Data)-PrioSetBytes)/3 || p.Version != 0 || p.Pad != 0 || !PrioSetHasMagic(s.Data, s.SetMagic(t)) {
			t.Errorf("%v: %d entries", s, len(p.Data))
		}
	}
	for _, s := range imgtest.Seeds(t, "bset") {
		b, err := DecodeBset(s.Data, s.SetMagic(t), Ptr(s.Parent))
		if err != nil {
			t.Errorf("%v: %v", s, err)
			continue
		}
		same(t, s, b.Append(nil))
		if b.Version != BsetVersion {
			t.Errorf("%v: version %d", s, b.Version)
		}
	}
	for _, s := range imgtest.Seeds(t, "uuid") {
		var out []byte
		for b := s.Data; len(b) > 0; b = b[UUIDEntryBytes:] {
			u, err := DecodeUUIDEntry(b)
			if err != nil {
				t.Fatal(err)
			}
			out = u.Append(out)
		}
		same(t, s, out)
	}
}

func same(t *testing.T, s imgtest.Seed, out []byte) {
	t.Helper()
	if !bytes.Equal(out, s.Data) {
		t.Errorf("%v: encodes to something else", s)
	}
}

// Sealing what the kernel wrote gives the kernel's magic and checksum.
func TestSealAsTheKernel(t *testing.T) {
	for _, s := range imgtest.Seeds(t, "jset") {
		j, err := DecodeJset(s.Data, s.SetMagic(t))
		if err != nil {
			t.Fatal(err)
		}
		j.Magic, j.Csum = 0, 0
		j.Seal(s.SetMagic(t))
		same(t, s, j.Append(nil))
	}
	for _, s := range imgtest.Seeds(t, "prio") {
		p, err := DecodePrioSet(s.Data, s.SetMagic(t))
		if err != nil {
			t.Fatal(err)
		}
		p.Magic, p.Csum = 0, 0
		p.Seal(s.SetMagic(t))
		same(t, s, p.Append(nil))
	}
	for _, s := range imgtest.Seeds(t, "bset") {
		b, err := DecodeBset(s.Data, s.SetMagic(t), Ptr(s.Parent))
		if err != nil {
			t.Fatal(err)
		}
		b.Magic, b.Csum, b.Keys = 0, 0, 0
		b.Seal(s.SetMagic(t), Ptr(s.Parent))
		same(t, s, b.Append(nil))
	}
}

// Every single-bit error in what a checksum covers is refused, and nothing comes back with the error.
func TestFlippedBits(t *testing.T) {
	flips := func(s imgtest.Seed, decode func(b []byte) (bool, error)) {
		step := max(1, len(s.Data)/300)
		for at := 0; at < len(s.Data); at += step {
			b := bytes.Clone(s.Data)
			b[at] ^= 1 << (at % 8)
			if none, err := decode(b); err == nil || !none {
				t.Errorf("%v: bit %d of byte %d turned: error %v, no result %v", s, at%8, at, err, none)
			}
		}
	}
	for _, s := range imgtest.Seeds(t, "jset") {
		flips(s, func(b []byte) (bool, error) { j, err := DecodeJset(b, s.SetMagic(t)); return j == nil, err })
	}
	for _, s := range imgtest.Seeds(t, "prio") {
		flips(s, func(b []byte) (bool, error) { p, err := DecodePrioSet(b, s.SetMagic(t)); return p == nil, err })
	}
	for _, s := range imgtest.Seeds(t, "bset") {
		flips(s, func(b []byte) (bool, error) {
			p, err := DecodeBset(b, s.SetMagic(t), Ptr(s.Parent))
			return p == nil, err
		})
	}
}

// The errors that callers tell apart.
func TestDecodeErrors(t *testing.T) {
	const magic = 0x1122334455667788
	jset := func(edit func(j *Jset)) []byte {
		j := &Jset{Seq: 5, Keys: []Bkey{MakeKey(1, 16, 8)}}
		edit(j)
		j.Seal(magic)
		return j.Append(nil)
	}
	raw := func(b []byte, edit func(b []byte)) []byte { edit(b); return b }
	plain := func(*Jset) {}
	swap := func(b []byte) { reverse(b[8:16]) }
	seven := func(b []byte) { b[JsetBytes+7] |= 0x70; putSum(b) }
	prio := func() []byte { p := &PrioSet{Data: make([]PrioEntry, 5)}; p.Seal(magic); return p.Append(nil) }
	bset := func() []byte { s := &Bset{Data: []Bkey{MakeKey(1, 16, 8)}}; s.Seal(magic, 0); return s.Append(nil) }
	dj := func(b []byte) error { _, err := DecodeJset(b, magic); return err }
	dp := func(b []byte) error { _, err := DecodePrioSet(b, magic); return err }
	db := func(b []byte) error { _, err := DecodeBset(b, magic, 0); return err }
	for _, c := range []struct {
		name   string
		decode func([]byte) error
		b      []byte
		want   error
	}{
		{"jset", dj, jset(plain), nil},
		{"jset: longer", dj, append(jset(plain), 1, 2, 3), nil},
		{"jset: short header", dj, jset(plain)[:JsetBytes-1], ErrShort},
		{"jset: magic", dj, raw(jset(plain), func(b []byte) { b[8]++ }), ErrMagic},
		{"jset: big-endian", dj, raw(jset(plain), swap), ErrByteOrder},
		{"jset: cut keys", dj, jset(plain)[:JsetBytes+15], ErrBounds},
		{"jset: 2^32-1 words", dj, raw(jset(plain), func(b []byte) { copy(b[28:], "\xff\xff\xff\xff") }), ErrBounds},
		{"jset: larger than the kernel reads", dj, jset(func(j *Jset) { j.Keys = make([]Bkey, MaxJsetBytes/16) }), ErrBounds},
		{"jset: as large as the kernel reads", dj, jset(func(j *Jset) { j.Keys = make([]Bkey, (MaxJsetBytes-JsetBytes)/16) }), nil},
		{"jset: checksum", dj, raw(jset(plain), func(b []byte) { b[100]++ }), ErrChecksum},
		{"jset: seven pointers", dj, raw(jset(plain), seven), ErrKey},
		{"jset: pointer behind the last word", dj, raw(jset(plain), func(b []byte) { b[JsetBytes+7] |= 0x10; putSum(b) }), ErrKey},
		{"jset: root of seven pointers", dj, raw(jset(plain), func(b []byte) { b[104+7] |= 0x70; putSum(b) }), ErrKey},
		{"jset: uuid bucket of seven pointers", dj, raw(jset(plain), func(b []byte) { b[40+7] |= 0x70; putSum(b) }), ErrKey},
		{"prio", dp, prio(), nil},
		{"prio: short header", dp, prio()[:PrioSetBytes-1], ErrShort},
		{"prio: checksum before magic, as prio_read", dp, raw(prio(), func(b []byte) { b[8]++ }), ErrChecksum},
		{"prio: magic", dp, raw(prio(), func(b []byte) { b[8]++; putSum(b) }), ErrMagic},
		{"prio: big-endian", dp, raw(prio(), func(b []byte) { swap(b); putSum(b) }), ErrByteOrder},
		{"bset", db, bset(), nil},
		{"bset: short header", db, bset()[:BsetBytes-1], ErrShort},
		{"bset: magic", db, raw(bset(), func(b []byte) { b[8]++ }), ErrMagic},
		{"bset: big-endian", db, raw(bset(), swap), ErrByteOrder},
		{"bset: cut keys", db, bset()[:BsetBytes+15], ErrBounds},
		{"bset: 2^32-1 words", db, raw(bset(), func(b []byte) { copy(b[28:], "\xff\xff\xff\xff") }), ErrBounds},
		{"bset: checksum", db, raw(bset(), func(b []byte) { b[40]++ }), ErrChecksum},
		{"bset: seven pointers", db, raw(bset(), func(b []byte) { b[39] |= 0x70; putSum(b) }), ErrKey},
	} {
		if err := c.decode(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

// A jset of which only the magic is damaged is told from one that never was.
func TestJsetButMagic(t *testing.T) {
	for _, s := range imgtest.Seeds(t, "jset") {
		m := s.SetMagic(t)
		if JsetButMagic(s.Data, m) {
			t.Errorf("%v: taken for damaged", s)
		}
		b := bytes.Clone(s.Data)
		b[9] ^= 4
		if !JsetButMagic(b, m) {
			t.Errorf("%v: not recognised without its magic", s)
		}
		b[200] ^= 1
		if JsetButMagic(b, m) || JsetButMagic(b[:JsetBytes-1], m) {
			t.Errorf("%v: recognised with more damage", s)
		}
	}
}

// Of all gens that a pointer may have those are right whose checksum is.
func TestAnyGen(t *testing.T) {
	for _, s := range imgtest.Seeds(t, "bset") {
		h, err := DecodeBsetHeader(s.Data)
		if err != nil || h.Bytes() > int64(len(s.Data)) {
			continue
		}
		b := s.Data[:h.Bytes()]
		parent := MakePtr(0, 1<<20, 0)
		for _, gen := range []uint8{0, 1, 77, 254, 255} {
			h.Csum = h.checksum(b, parent|Ptr(gen))
			fits := h.AnyGen(b, parent|3)
			for g := range 256 {
				if want := h.CheckSum(b, parent|Ptr(g)) == nil; fits(uint8(g)) != want {
					t.Fatalf("%v: gen %d is right: %v, want %v", s, g, !want, want)
				}
			}
		}
	}
}
