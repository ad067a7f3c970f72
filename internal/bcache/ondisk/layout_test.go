// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"reflect"
	"testing"
)

// A place is where a field must stand: the documented layout, in bytes.
type place struct {
	name     string
	at, size int
	set      func() []byte // the structure's encoding with this field all ones and all else zero
}

// checkPlaces holds each field against its place: it and nothing else may be other than zero.
func checkPlaces(t *testing.T, total int, places []place) {
	t.Helper()
	end := 0
	for _, p := range places {
		b := p.set()
		if len(b) != total {
			t.Errorf("%s: encodes to %d bytes, want %d", p.name, len(b), total)
			continue
		}
		if p.at < end {
			t.Errorf("%s: at %d, but the field before ends at %d", p.name, p.at, end)
		}
		end = p.at + p.size
		for i, c := range b {
			if inside := i >= p.at && i < end; inside != (c != 0) {
				t.Errorf("%s: byte %d is %#x; want ones at [%d, %d) alone", p.name, i, c, p.at, end)
				break
			}
		}
	}
}

// ones fills v, whatever it is, with one bits.
func ones(v any) {
	r := reflect.ValueOf(v).Elem()
	switch r.Kind() {
	case reflect.Array:
		for i := range r.Len() {
			ones(r.Index(i).Addr().Interface())
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		r.SetUint(1<<r.Type().Bits() - 1)
	default:
		panic(r.Kind())
	}
}

func TestSuperLayout(t *testing.T) {
	if n := binary.Size(Super{}); n != SuperSize {
		t.Fatalf("%d bytes, want %d", n, SuperSize)
	}
	field := func(pick func(*Super) any) func() []byte {
		return func() []byte {
			s := new(Super)
			ones(pick(s))
			return s.Append(nil)
		}
	}
	checkPlaces(t, SuperSize, []place{
		{"csum", 0, 8, field(func(s *Super) any { return &s.Csum })},
		{"offset", 8, 8, field(func(s *Super) any { return &s.Offset })},
		{"version", 16, 8, field(func(s *Super) any { return &s.Version })},
		{"magic", 24, 16, field(func(s *Super) any { return &s.Magic })},
		{"uuid", 40, 16, field(func(s *Super) any { return &s.UUID })},
		{"set_uuid", 56, 16, field(func(s *Super) any { return &s.SetUUID })},
		{"label", 72, 32, field(func(s *Super) any { return &s.Label })},
		{"flags", 104, 8, field(func(s *Super) any { return &s.Flags })},
		{"seq", 112, 8, field(func(s *Super) any { return &s.Seq })},
		{"feature_compat", 120, 8, field(func(s *Super) any { return &s.FeatureCompat })},
		{"feature_incompat", 128, 8, field(func(s *Super) any { return &s.FeatureIncompat })},
		{"feature_ro_compat", 136, 8, field(func(s *Super) any { return &s.FeatureROCompat })},
		{"pad", 144, 40, field(func(s *Super) any { return &s.Pad })},
		{"nbuckets", 184, 8, field(func(s *Super) any { return &s.Nbuckets })},
		{"block_size", 192, 2, field(func(s *Super) any { return &s.BlockSize })},
		{"bucket_size", 194, 2, field(func(s *Super) any { return &s.BucketSize })},
		{"nr_in_set", 196, 2, field(func(s *Super) any { return &s.NrInSet })},
		{"nr_this_dev", 198, 2, field(func(s *Super) any { return &s.NrThisDev })},
		{"last_mount", 200, 4, field(func(s *Super) any { return &s.LastMount })},
		{"first_bucket", 204, 2, field(func(s *Super) any { return &s.FirstBucket })},
		{"keys", 206, 2, field(func(s *Super) any { return &s.Keys })},
		{"d", 208, 2048, field(func(s *Super) any { return &s.D })},
		{"obso_bucket_size_hi", 2256, 2, field(func(s *Super) any { return &s.ObsoBucketSizeHi })},
		{"tail", 2258, 1838, field(func(s *Super) any { return &s.Tail })},
	})
}

func TestJsetLayout(t *testing.T) {
	field := func(pick func(*Jset) any) func() []byte {
		return func() []byte {
			j := new(Jset)
			ones(pick(j))
			return j.Append(nil)
		}
	}
	// A padded key is what stands in its eight words until its Bkey is written over them.
	padded := func(pick func(*Jset) *PaddedKey) func() []byte {
		return func() []byte {
			j := new(Jset)
			p := pick(j)
			ones(&p.rest)
			p.High, p.Low = ^keyPtrs.mask(), ^uint64(0)
			b := j.Append(nil)
			at := 40
			if p == &j.BtreeRoot {
				at = 104
			}
			b[at+7] |= 0x70 // the count of pointers, which cannot be seven
			return b
		}
	}
	checkPlaces(t, JsetBytes, []place{
		{"csum", 0, 8, field(func(j *Jset) any { return &j.Csum })},
		{"magic", 8, 8, field(func(j *Jset) any { return &j.Magic })},
		{"seq", 16, 8, field(func(j *Jset) any { return &j.Seq })},
		{"version", 24, 4, field(func(j *Jset) any { return &j.Version })},
		{"last_seq", 32, 8, field(func(j *Jset) any { return &j.LastSeq })},
		{"uuid_bucket", 40, 64, padded(func(j *Jset) *PaddedKey { return &j.UUIDBucket })},
		{"btree_root", 104, 64, padded(func(j *Jset) *PaddedKey { return &j.BtreeRoot })},
		{"btree_level", 168, 2, field(func(j *Jset) any { return &j.Level })},
		{"pad", 170, 6, field(func(j *Jset) any { return &j.Pad })},
		{"prio_bucket", 176, 64, field(func(j *Jset) any { return &j.PrioBucket })},
	})
	j := Jset{Keys: []Bkey{MakeKey(1, 8, 8), MaxKey}}
	if b := j.Append(nil); len(b) != JsetBytes+32 || binary.LittleEndian.Uint32(b[28:]) != 4 || JsetSize(b) != int64(len(b)) {
		t.Errorf("two keys without pointers: %d bytes, %d words", len(b), binary.LittleEndian.Uint32(b[28:]))
	}
}

func TestPrioSetLayout(t *testing.T) {
	field := func(pick func(*PrioSet) any) func() []byte {
		return func() []byte {
			p := &PrioSet{Data: make([]PrioEntry, 3), Tail: make([]byte, 1)}
			ones(pick(p))
			return p.Append(nil)
		}
	}
	checkPlaces(t, PrioSetBytes+3*3+1, []place{
		{"csum", 0, 8, field(func(p *PrioSet) any { return &p.Csum })},
		{"magic", 8, 8, field(func(p *PrioSet) any { return &p.Magic })},
		{"seq", 16, 8, field(func(p *PrioSet) any { return &p.Seq })},
		{"version", 24, 4, field(func(p *PrioSet) any { return &p.Version })},
		{"pad", 28, 4, field(func(p *PrioSet) any { return &p.Pad })},
		{"next_bucket", 32, 8, field(func(p *PrioSet) any { return &p.NextBucket })},
		{"data[0].prio", 40, 2, field(func(p *PrioSet) any { return &p.Data[0].Prio })},
		{"data[0].gen", 42, 1, field(func(p *PrioSet) any { return &p.Data[0].Gen })},
		{"data[2].prio", 46, 2, field(func(p *PrioSet) any { return &p.Data[2].Prio })},
		{"data[2].gen", 48, 1, field(func(p *PrioSet) any { return &p.Data[2].Gen })},
		{"tail", 49, 1, field(func(p *PrioSet) any { return &p.Tail[0] })},
	})
}

func TestBsetLayout(t *testing.T) {
	field := func(pick func(*Bset) any) func() []byte {
		return func() []byte {
			s := new(Bset)
			ones(pick(s))
			return s.Append(nil)
		}
	}
	checkPlaces(t, BsetBytes, []place{
		{"csum", 0, 8, field(func(s *Bset) any { return &s.Csum })},
		{"magic", 8, 8, field(func(s *Bset) any { return &s.Magic })},
		{"seq", 16, 8, field(func(s *Bset) any { return &s.Seq })},
		{"version", 24, 4, field(func(s *Bset) any { return &s.Version })},
	})
	s := Bset{Data: []Bkey{MakeKey(1, 8, 8)}}
	s.Seal(0, 0)
	if b := s.Append(nil); binary.LittleEndian.Uint32(b[28:]) != 2 || s.Keys != 2 || s.Bytes() != int64(len(b)) {
		t.Errorf("one key without pointers: %d bytes, %d words, %d said", len(b), binary.LittleEndian.Uint32(b[28:]), s.Keys)
	}
}

func TestUUIDEntryLayout(t *testing.T) {
	if n := binary.Size(UUIDEntry{}); n != UUIDEntryBytes {
		t.Fatalf("%d bytes, want %d", n, UUIDEntryBytes)
	}
	field := func(pick func(*UUIDEntry) any) func() []byte {
		return func() []byte {
			u := new(UUIDEntry)
			ones(pick(u))
			return u.Append(nil)
		}
	}
	checkPlaces(t, UUIDEntryBytes, []place{
		{"uuid", 0, 16, field(func(u *UUIDEntry) any { return &u.UUID })},
		{"label", 16, 32, field(func(u *UUIDEntry) any { return &u.Label })},
		{"first_reg", 48, 4, field(func(u *UUIDEntry) any { return &u.FirstReg })},
		{"last_reg", 52, 4, field(func(u *UUIDEntry) any { return &u.LastReg })},
		{"invalidated", 56, 4, field(func(u *UUIDEntry) any { return &u.Invalidated })},
		{"flags", 60, 4, field(func(u *UUIDEntry) any { return &u.Flags })},
		{"sectors", 64, 8, field(func(u *UUIDEntry) any { return &u.Sectors })},
		{"pad", 72, 56, field(func(u *UUIDEntry) any { return &u.Pad })},
	})
}

// A slot of the old form has a pad where the new one has its flags.
func TestUUIDEntryV0Layout(t *testing.T) {
	b := make([]byte, UUIDEntryV0Bytes)
	for i := range b {
		b[i] = byte(i + 1)
	}
	u, err := DecodeUUIDEntryV0(b)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append([]byte(nil), b[:60]...), make([]byte, UUIDEntryBytes-60)...)
	if got := u.Append(nil); string(got) != string(want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestBkeyLayout(t *testing.T) {
	k := MakeKey(1, 2, 3)
	k.SetPtrs(2)
	k.Ptr[0], k.Ptr[1] = MakePtr(4, 5, 6), MakePtr(7, 8, PtrCheckDev)
	k.SetDirty(true)
	b := k.Append(nil)
	for i, want := range []uint64{1<<63 | 2<<60 | 1<<36 | 3<<20 | 1, 2, 6<<51 | 5<<8 | 4, 4095<<51 | 8<<8 | 7} {
		if got := binary.LittleEndian.Uint64(b[8*i:]); got != want {
			t.Errorf("word %d is %#x, want %#x", i, got, want)
		}
	}
	if len(b) != 8*k.Words() {
		t.Errorf("%d bytes, %d words", len(b), k.Words())
	}
	if MaxKey.High != 1<<63|1048575 || MaxKey.Low != 1<<63-1 {
		t.Errorf("MAX_KEY is %#x %#x", MaxKey.High, MaxKey.Low)
	}
}

// The magics, each of a set whose uuid starts with eight zero bytes, as the kernel's header has them.
func TestMagics(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"jset", jsetMagic, 0x245235c1a3625032},
		{"prio_set", psetMagic, 0x6750e15f87337f91},
		{"bset", bsetMagic, 0x90135c78b99e07f5},
		{"superblock, first half", binary.LittleEndian.Uint64(SuperMagic[:]), 0xca451a4ef67385c6},
		{"superblock, second half", binary.LittleEndian.Uint64(SuperMagic[8:]), 0x816dba487ff56582},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, c.got, c.want)
		}
	}
}
