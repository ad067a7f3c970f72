// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
)

// A field is a bit range of a 64-bit word, written as the kernel's KEY_FIELD writes it: offset, size. It is a constant,
// offset<<8 | size, so that the compiler can make two instructions of it.
type field uint16

func (f field) off() uint               { return uint(f >> 8) }
func (f field) ones() uint64            { return 1<<(f&0xff) - 1 }
func (f field) mask() uint64            { return f.ones() << f.off() }
func (f field) get(w uint64) uint64     { return w >> f.off() & f.ones() }
func (f field) set(w *uint64, v uint64) { *w = *w&^f.mask() | v<<f.off()&f.mask() }

// The fields of bkey.high; bit 63 is a relic that every writer sets.
const (
	keyHeader field = 63<<8 | 1
	keyPtrs   field = 60<<8 | 3
	keyPad0   field = 58<<8 | 2
	keyCsum   field = 56<<8 | 2
	keyPad1   field = 55<<8 | 1
	keyPad2   field = 37<<8 | 18
	keyDirty  field = 36<<8 | 1
	keySize   field = 20<<8 | 16
	keyInode  field = 0<<8 | 20
)

// The fields of a pointer.
const (
	ptrDev    field = 51<<8 | 12
	ptrOffset field = 8<<8 | 43
	ptrGen    field = 0<<8 | 8
)

const (
	MaxPtrs      = 6         // BKEY_PAD leaves room for six
	MaxInode     = 1<<20 - 1 // MAX_KEY_INODE
	MaxKeyOffset = Sector(1<<63 - 1)
	MaxKeySize   = Sector(1<<16 - 1)
	PtrCheckDev  = 1<<12 - 1 // PTR_CHECK_DEV: the placeholder of a read that missed
)

// Ptr is one pointer of a bkey: device, sector on that device, and the gen its bucket had.
type Ptr uint64

// MakePtr is MAKE_PTR.
func MakePtr(gen uint8, offset Sector, dev uint64) (p Ptr) {
	p.set(ptrGen, uint64(gen))
	p.set(ptrOffset, uint64(offset))
	p.set(ptrDev, dev)
	return p
}

func (p *Ptr) set(f field, v uint64) { f.set((*uint64)(p), v) }

// Dev is PTR_DEV: the cache's number in its set, or PtrCheckDev.
func (p Ptr) Dev() uint64 { return ptrDev.get(uint64(p)) }

// Offset is PTR_OFFSET: the first sector on the cache device.
func (p Ptr) Offset() Sector { return Sector(ptrOffset.get(uint64(p))) }

// Gen is PTR_GEN: the bucket's gen when the pointer was made.
func (p Ptr) Gen() uint8 { return uint8(p) }

// Available is ptr_available: whether the kernel looks the pointer's bucket up at all.
func (p Ptr) Available() bool { return p.Dev() < MaxCachesPerSet }

// Bkey is struct bkey: in a leaf the extent of Size sectors that ends at Offset, in an interior node and in a
// jset header a child node whose last position is Offset. Ptr beyond Ptrs() is zero.
type Bkey struct {
	High, Low uint64
	Ptr       [MaxPtrs]Ptr
}

// MakeKey is KEY: no pointers, clean.
func MakeKey(inode uint32, offset, size Sector) (k Bkey) {
	keyHeader.set(&k.High, 1)
	keyInode.set(&k.High, uint64(inode))
	keySize.set(&k.High, uint64(size))
	k.Low = uint64(offset)
	return k
}

// MaxKey is MAX_KEY: the position of every root.
var MaxKey = MakeKey(MaxInode, MaxKeyOffset, 0)

func (k *Bkey) Ptrs() int       { return int(keyPtrs.get(k.High)) }
func (k *Bkey) Dirty() bool     { return keyDirty.get(k.High) != 0 }
func (k *Bkey) Size() Sector    { return Sector(keySize.get(k.High)) }
func (k *Bkey) Inode() uint32   { return uint32(keyInode.get(k.High)) }
func (k *Bkey) Offset() Sector  { return Sector(k.Low) }
func (k *Bkey) Csum() uint64    { return keyCsum.get(k.High) }
func (k *Bkey) Start() Sector   { return Sector(k.Low) - k.Size() }
func (k *Bkey) Words() int      { return 2 + k.Ptrs() }
func (k *Bkey) SetDirty(d bool) { keyDirty.set(&k.High, b2u(d)) }

// SetPtrs says how many of k.Ptr are there.
func (k *Bkey) SetPtrs(n int) { keyPtrs.set(&k.High, uint64(n)) }

// SetSize sets KEY_SIZE, in sectors.
func (k *Bkey) SetSize(s Sector) { keySize.set(&k.High, uint64(s)) }

// SetInode sets KEY_INODE.
func (k *Bkey) SetInode(i uint32) { keyInode.set(&k.High, uint64(i)) }

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// PadsZero reports whether the high bit is set, and the pad bits and KEY_CSUM are clear, as every writer leaves them.
func (k *Bkey) PadsZero() bool { return k.High&(keyHeader.mask()|keyPads) == keyHeader.mask() }

// ClearPads makes PadsZero true.
func (k *Bkey) ClearPads() { k.High = k.High&^keyPads | keyHeader.mask() }

var keyPads = keyPad0.mask() | keyPad1.mask() | keyPad2.mask() | keyCsum.mask()

// Pos is the end of a key as one orderable value: first the inode, then the offset.
type Pos struct {
	Inode  uint32
	Offset Sector
}

// Compare is bkey_cmp.
func (p Pos) Compare(q Pos) int {
	switch {
	case p == q:
		return 0
	case p.Inode < q.Inode, p.Inode == q.Inode && p.Offset < q.Offset:
		return -1
	}
	return 1
}

func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Inode, p.Offset) }

// Pos is where k ends.
func (k *Bkey) Pos() Pos { return Pos{k.Inode(), k.Offset()} }

// IsZero reports whether k is at ZERO_KEY's position: in an interior node, the record of a freed node.
func (k *Bkey) IsZero() bool { return k.Inode() == 0 && k.Low == 0 }

// IsMax reports whether k is at MAX_KEY's position.
func (k *Bkey) IsMax() bool { return k.Pos() == MaxKey.Pos() }

// CutFront is bch_cut_front to a start within k: the pointers move with it.
func (k *Bkey) CutFront(start Sector) {
	by := start - k.Start()
	for i := range k.Ptrs() {
		k.Ptr[i].set(ptrOffset, uint64(k.Ptr[i].Offset()+by))
	}
	k.SetSize(k.Offset() - start)
}

// CutBack is bch_cut_back to an end within k.
func (k *Bkey) CutBack(end Sector) {
	size := end - k.Start()
	k.Low = uint64(end)
	k.SetSize(size)
}

// String is bch_extent_to_text: inode:start len size -> [dev:sector gen g] dirty.
func (k *Bkey) String() string {
	s := fmt.Sprintf("%d:%d len %d -> [", k.Inode(), k.Start(), k.Size())
	if k.Size() > k.Offset() { // a malformed key, which starts before its volume
		s = fmt.Sprintf("%d:-%d len %d -> [", k.Inode(), k.Size()-k.Offset(), k.Size())
	}
	for i := range k.Ptrs() {
		if i > 0 {
			s += ", "
		}
		if p := k.Ptr[i]; p.Dev() == PtrCheckDev {
			s += "check dev"
		} else {
			s += fmt.Sprintf("%d:%d gen %d", p.Dev(), p.Offset(), p.Gen())
		}
	}
	s += "]"
	if k.Dirty() {
		s += " dirty"
	}
	return s
}

// DecodeKey reads the bkey at the start of b and returns how many bytes it takes. Errors wrap ErrKey.
func DecodeKey(b []byte) (k Bkey, n int, err error) {
	n, err = k.Decode(b)
	return k, n, err
}

// Decode is DecodeKey into k, for those who read millions. With an error k is zero.
func (k *Bkey) Decode(b []byte) (n int, err error) {
	*k = Bkey{}
	if len(b) < 16 {
		return 0, fmt.Errorf("%w: %d bytes left for a key", ErrKey, len(b))
	}
	k.High, k.Low = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	ptrs := k.Ptrs()
	if n = 8 * k.Words(); ptrs > MaxPtrs || len(b) < n {
		*k = Bkey{}
		if ptrs > MaxPtrs {
			return 0, fmt.Errorf("%w: %d pointers, at most %d", ErrKey, ptrs, MaxPtrs)
		}
		return 0, fmt.Errorf("%w: %d pointers, %d bytes left", ErrKey, ptrs, len(b))
	}
	for i := range ptrs {
		k.Ptr[i] = Ptr(binary.LittleEndian.Uint64(b[16+8*i:]))
	}
	return n, nil
}

// Append is DecodeKey's inverse.
func (k *Bkey) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, k.High)
	b = binary.LittleEndian.AppendUint64(b, k.Low)
	for i := range k.Ptrs() {
		b = binary.LittleEndian.AppendUint64(b, uint64(k.Ptr[i]))
	}
	return b
}

// DecodeKeys reads keys until b ends. At a malformed one it returns those before it and the error.
func DecodeKeys(b []byte) (keys []Bkey, err error) {
	for at := 0; at < len(b); {
		k, n, err := DecodeKey(b[at:])
		if err != nil {
			return keys, fmt.Errorf("key at byte %d: %w", at, err)
		}
		keys = append(keys, k)
		at += n
	}
	return keys, nil
}

// AppendKeys is DecodeKeys' inverse.
func AppendKeys(b []byte, keys []Bkey) []byte {
	for i := range keys {
		b = keys[i].Append(b)
	}
	return b
}

// A padded key stands in a jset header in eight words, whatever its count of pointers.
const paddedKeyBytes = 64
