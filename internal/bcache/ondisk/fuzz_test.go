// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"bctl/internal/lab/imgtest"
)

// The contract of every decoder: an error comes with no result and wraps one of the package's errors; without one,
// encoding gives the bytes that were read. Each target tries its input as it is, and once more with magic, sizes and
// checksum mended, which is the only way past them.

const fuzzMagic = 0x0123456789abcdef

// addSeeds gives f the kernel's blocks of a kind; there must be some.
func addSeeds(f *testing.F, kind string) {
	for _, s := range imgtest.Seeds(f, kind) {
		f.Add(s.Data)
	}
}

// refused holds an error against the contract.
func refused(t *testing.T, err error, none bool, sentinels ...error) {
	t.Helper()
	if !none {
		t.Fatalf("a result with error %v", err)
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return
		}
	}
	t.Fatalf("error of no kind: %v", err)
}

func equal(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("encodes to something else\n got %x\nwant %x", got, want)
	}
}

// putSum mends an unseeded checksum over all of b.
func putSum(b []byte) { binary.LittleEndian.PutUint64(b, Crc64(b[8:])) }

// fitWords mends a count of words at byte 28 that reaches beyond b.
func fitWords(b []byte, header int) {
	words := binary.LittleEndian.Uint32(b[28:])
	if most := uint32(len(b)-header) / 8; words > most {
		binary.LittleEndian.PutUint32(b[28:], words%(most+1))
	}
}

func FuzzDecodeSuper(f *testing.F) {
	addSeeds(f, "super")
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSuper(b)
		if err != nil {
			refused(t, err, s == nil, ErrShort)
			return
		}
		s.Checksum() // takes any Keys
		equal(t, s.Append(nil), b[:SuperSize])
	})
}

func FuzzDecodeJset(f *testing.F) {
	addSeeds(f, "jset")
	try := func(t *testing.T, b []byte) {
		j, err := DecodeJset(b, fuzzMagic)
		if err == nil {
			equal(t, j.Append(nil), b[:JsetSize(b)])
			return
		}
		refused(t, err, j == nil, ErrShort, ErrMagic, ErrByteOrder, ErrBounds, ErrChecksum, ErrKey)
		if errors.Is(err, ErrKey) { // what is saved are keys that were there
			saved := AppendKeys(nil, SalvageJset(b).Keys)
			if !bytes.HasPrefix(b[JsetBytes:], saved) {
				t.Fatalf("saved keys that are not there: %x", saved)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		try(t, b)
		JsetButMagic(b, fuzzMagic)
		if len(b) < JsetBytes {
			return
		}
		b = bytes.Clone(b)
		binary.LittleEndian.PutUint64(b[8:], fuzzMagic^jsetMagic)
		fitWords(b, JsetBytes)
		if n := JsetSize(b); n <= int64(len(b)) {
			putSum(b[:n])
		}
		try(t, b)
	})
}

func FuzzDecodePrioSet(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "prio") {
		f.Add(s.Data[:4096]) // the whole bucket would be slow to mutate, and is more of the same
		f.Add(s.Data[:PrioSetBytes+4])
	}
	try := func(t *testing.T, b []byte) {
		p, err := DecodePrioSet(b, fuzzMagic)
		if err != nil {
			refused(t, err, p == nil, ErrShort, ErrMagic, ErrByteOrder, ErrChecksum)
			return
		}
		equal(t, p.Append(nil), b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		try(t, b)
		if len(b) < PrioSetBytes {
			return
		}
		equal(t, SalvagePrioSet(b).Append(nil), b)
		b = bytes.Clone(b)
		putSum(b) // the magic is judged behind the checksum
		try(t, b)
		binary.LittleEndian.PutUint64(b[8:], fuzzMagic^psetMagic)
		putSum(b)
		try(t, b)
	})
}

func FuzzDecodeBset(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "bset") {
		f.Add(s.Data, s.Parent)
	}
	try := func(t *testing.T, b []byte, parent Ptr) {
		s, err := DecodeBset(b, fuzzMagic, parent)
		if err != nil {
			refused(t, err, s == nil, ErrShort, ErrMagic, ErrByteOrder, ErrBounds, ErrChecksum, ErrKey)
			return
		}
		equal(t, s.Append(nil), b[:s.Bytes()])
	}
	f.Fuzz(func(t *testing.T, b []byte, parent uint64) {
		try(t, b, Ptr(parent))
		h, err := DecodeBsetHeader(b)
		if err != nil {
			refused(t, err, h == BsetHeader{}, ErrShort)
			return
		}
		b = bytes.Clone(b)
		binary.LittleEndian.PutUint64(b[8:], fuzzMagic^bsetMagic)
		fitWords(b, BsetBytes)
		h, _ = DecodeBsetHeader(b)
		binary.LittleEndian.PutUint64(b, h.checksum(b[:h.Bytes()], Ptr(parent)))
		try(t, b, Ptr(parent))
	})
}

// A header judges nothing, so it is its own encoding.
func FuzzDecodeBsetHeader(f *testing.F) {
	addSeeds(f, "bset")
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeBsetHeader(b)
		if err != nil {
			refused(t, err, h == BsetHeader{}, ErrShort)
			return
		}
		out := binary.LittleEndian.AppendUint32((&Bset{BsetHeader: h}).Append(nil)[:28], h.Keys)
		equal(t, out, b[:BsetBytes])
		if err := h.CheckMagic(fuzzMagic); err != nil {
			refused(t, err, true, ErrMagic, ErrByteOrder)
		}
		if err := h.CheckSum(b, 1); err != nil {
			refused(t, err, true, ErrChecksum)
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "bset") {
		if len(s.Data) > BsetBytes {
			f.Add(s.Data[BsetBytes:min(len(s.Data), BsetBytes+128)], uint64(0), uint64(0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, start, end uint64) {
		k, n, err := DecodeKey(b)
		if err != nil {
			refused(t, err, n == 0 && k == Bkey{}, ErrKey)
			return
		}
		if n != 8*k.Words() {
			t.Fatalf("%d bytes, %d words", n, k.Words())
		}
		equal(t, k.Append(nil), b[:n])
		_ = k.String()
		if k.Size() == 0 || k.Size() > k.Offset() {
			return
		}
		// Any cut to [from, to) within the key leaves exactly that, and moves the pointers with the front.
		from := k.Start() + Sector(start)%k.Size()
		to := from + 1 + Sector(end)%(k.Offset()-from)
		c := k
		c.CutFront(from)
		c.CutBack(to)
		if c.Start() != from || c.Offset() != to || c.High&^keySize.mask() != k.High&^keySize.mask() {
			t.Fatalf("%v cut to [%d, %d) is %v", &k, from, to, &c)
		}
		for i := range k.Ptrs() {
			moved := (k.Ptr[i].Offset() + from - k.Start()) & Sector(ptrOffset.ones())
			if p := c.Ptr[i]; p.Offset() != moved || p.Dev() != k.Ptr[i].Dev() || p.Gen() != k.Ptr[i].Gen() {
				t.Fatalf("%v cut to [%d, %d) is %v", &k, from, to, &c)
			}
		}
	})
}

func FuzzDecodeKeys(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "bset") {
		f.Add(s.Data[BsetBytes:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := DecodeKeys(b)
		out := AppendKeys(nil, keys)
		if err != nil { // the keys before the bad one come with the error
			refused(t, err, true, ErrKey)
			if len(out) >= len(b) {
				t.Fatalf("error %v, but all %d bytes were read", err, len(b))
			}
			b = b[:len(out)]
		}
		equal(t, out, b)
	})
}

func FuzzDecodeUUIDEntry(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "uuid") {
		for i := range 3 {
			f.Add(s.Data[i*UUIDEntryBytes:][:UUIDEntryBytes])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if u, err := DecodeUUIDEntry(b); err != nil {
			refused(t, err, u == UUIDEntry{}, ErrShort)
		} else {
			equal(t, u.Append(nil), b[:UUIDEntryBytes])
		}
		if u, err := DecodeUUIDEntryV0(b); err != nil {
			refused(t, err, u == UUIDEntry{}, ErrShort)
		} else { // the old form has no encoder: its last word is a pad, nothing writes it any more
			equal(t, u.Append(nil)[:60], b[:60])
			if u.FlashOnly() || u.Sectors != 0 {
				t.Fatalf("a flash-only volume of the old form: %+v", u)
			}
		}
	})
}
