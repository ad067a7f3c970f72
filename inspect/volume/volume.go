// SPDX-License-Identifier: GPL-2.0-only

// Package volume puts a volume together from the cache and from the backing device below it, byte for byte as the
// kernel would show it, without the kernel.
//
//	sector of the volume   -> + data offset -> sector of the backing device, which extents count in
//	a live extent          -> the cache has it
//	no extent, or a stale  -> the backing device has it; of a volume that lives in the cache alone, zeroes
//	a hole in the tree     -> nobody knows: an error, never zeroes and never what lies below
//
// What a destroyed journal entry said is lost for the kernel too, which then shows what was there before: fsck names it.
//
// Where a sector stands is looked up as it is read, so a volume takes no memory but a few leaves of the tree, however
// many extents it has.
package volume

import (
	"errors"
	"fmt"
	"io"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/full"
	"bctl/superblock"
)

// What keeps a volume from being put together.
var (
	ErrUnknown    = errors.New("not known what the cache holds here")
	ErrNotBacking = errors.New("not a backing device")
	ErrOtherSet   = errors.New("attached to another cache set")
	ErrNoSlot     = errors.New("no slot of the cache names it")
	ErrNotFlash   = errors.New("not a flash-only volume")
	ErrNoTree     = errors.New("the cache's metadata cannot be read")
	ErrNew        = errors.New("the cache was never registered, and holds no data")
)

// Options say how to read.
type Options struct {
	// DirtyOnly takes from the cache what the backing device does not have, and nothing else: clean data are the same
	// on both.
	DirtyOnly bool
	// Sure makes dirty data Unknown where the gen of their bucket is: whether they are the bucket's still is not known.
	Sure bool
	// LeafBytes is how much memory leaves of the tree may take, about; 0: 32 MiB.
	LeafBytes int64
}

const leafBytes = 32 << 20

// Below is what lies under the cache: the bytes of R from Start up to before End are the volume's. A nil R is zeroes.
type Below struct {
	R          io.ReaderAt
	Start, End int64
}

// Volume is one bcache device. Its methods may be called from several goroutines.
type Volume struct {
	c     *inspect.Cache // nil: not attached, all is below
	inode uint32
	below Below
	o     Options
	look  *inspect.Lookup
}

// New is what an inode's extents and what lies below them make, whatever its slot says: for volumes that were detached,
// of which nothing but the data tells to which device they belong.
func New(c *inspect.Cache, inode uint32, below Below, o Options) *Volume {
	if o.LeafBytes == 0 {
		o.LeafBytes = leafBytes
	}
	below.Start, below.End = below.Start/sector*sector, below.End/sector*sector
	v := &Volume{c: c, inode: inode, below: below, o: o}
	if c != nil {
		v.look = c.Lookup(o.LeafBytes)
	}
	return v
}

const sector = ondisk.SectorBytes

// Backed is the volume of a backing device of size bytes, as the kernel would show it: one that is not attached is its
// own data alone. Errors wrap ErrNotBacking, ErrOtherSet, ErrNoSlot or ErrNoTree, or are those of superblock.Read.
func Backed(c *inspect.Cache, dev io.ReaderAt, size int64, o Options) (*Volume, error) {
	s, err := superblock.Read(dev)
	if err != nil {
		return nil, err
	}
	if !s.IsBacking() {
		return nil, ErrNotBacking
	}
	below := Below{dev, superblock.DataOffset(s).Bytes(), size}
	if below.Start < 0 || below.Start > size {
		return nil, fmt.Errorf("%w: its data start behind its end", ErrNotBacking)
	}
	state := s.State()
	if state != ondisk.StateClean && state != ondisk.StateDirty {
		return New(nil, 0, below, o), nil
	}
	if s.SetUUID != c.Super.SetUUID {
		return nil, fmt.Errorf("%w: %v", ErrOtherSet, s.SetUUID)
	}
	if c.UUIDs == nil {
		return nil, NoTree(c)
	}
	inode, ok := c.UUIDs.Find(s.UUID)
	switch {
	case ok:
		return New(c, inode, below, o), nil
	case state == ondisk.StateClean: // a crash while it was attached: the slot comes later
		return New(nil, 0, below, o), nil
	}
	return nil, fmt.Errorf("%w: %v", ErrNoSlot, s.UUID)
}

// NoTree is why a cache has no slots: ErrNew or ErrNoTree.
func NoTree(c *inspect.Cache) error {
	if c.Journal == nil && c.Known().All() {
		return ErrNew
	}
	return ErrNoTree
}

// Flash is a volume that lives in the cache alone, or one that did and was destroyed: what is still there of it. Errors wrap ErrNotFlash or ErrNoTree.
func Flash(c *inspect.Cache, inode uint32, o Options) (*Volume, error) {
	if c.UUIDs == nil {
		return nil, NoTree(c)
	}
	if state := c.UUIDs.State(inode); state == uuids.Empty || !uuids.WasFlash(&c.UUIDs[inode]) && (state != uuids.Valid || !c.UUIDs[inode].FlashOnly()) {
		return nil, fmt.Errorf("%w: inode %d", ErrNotFlash, inode)
	}
	const most = 1 << 54 // sectors of which bytes can be counted
	return New(c, inode, Below{End: ondisk.Sector(min(c.UUIDs[inode].Sectors, most-1)).Bytes()}, o), nil
}

// Size is in bytes.
func (v *Volume) Size() int64 { return v.below.End - v.below.Start }

// Attached reports whether the cache holds data of the volume at all, and under which inode.
func (v *Volume) Attached() (inode uint32, ok bool) { return v.inode, v.c != nil }

// UnknownError is ErrUnknown with the place: Len bytes of the volume from Off on.
type UnknownError struct{ Off, Len int64 }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%d bytes at byte %d: %v", e.Len, e.Off, ErrUnknown)
}

// Is is for errors.Is(err, ErrUnknown).
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// ReadAt is io.ReaderAt. Errors, besides those of the devices: *UnknownError, inspect.ErrChanged.
func (v *Volume) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("negative offset %d", off)
	}
	short := error(nil)
	if left := v.Size() - off; int64(len(b)) > left {
		b, short = b[:max(left, 0)], io.EOF
	}
	var parts []Span
	err := v.spans(off, off+int64(len(b)), func(s Span) error {
		from, to := max(s.Off, off), min(s.Off+s.Len, off+int64(len(b)))
		parts = append(parts, Span{Off: from, Len: to - from, Source: s.Source, At: s.At + from - s.Off})
		return nil
	})
	v.want(parts)
	n := 0
	for _, s := range parts {
		n = int(s.Off - off)
		if err := v.fill(b[n:][:s.Len], s, 0); err != nil {
			return n, err
		}
		n += int(s.Len)
	}
	if err == nil {
		err = short
	}
	return n, err
}

// wanter is a device that can begin to read before it is asked.
type wanter interface{ Want(off, n int64) }

// want has the devices begin with all parts, which stand anywhere: one after the other each would be waited for.
func (v *Volume) want(parts []Span) {
	if len(parts) < 2 {
		return
	}
	below, _ := v.below.R.(wanter)
	for _, s := range parts {
		from := below
		if s.Source == Cache {
			from, _ = v.c.Reader().(wanter)
		}
		if from != nil && s.Source != Unknown {
			from.Want(s.At, s.Len)
		}
	}
}

// fill reads the part of a span that starts at byte in of it.
func (v *Volume) fill(b []byte, s Span, in int64) error {
	switch {
	case s.Source == Unknown:
		return &UnknownError{s.Off, s.Len}
	case s.Source == Cache:
		return full.ReadAt(v.c.Reader(), b, s.At+in)
	case v.below.R == nil:
		clear(b)
		return nil
	}
	return full.ReadAt(v.below.R, b, s.At+in)
}

// copyBytes is how much WriteTo reads at once.
const copyBytes = 1 << 20

// WriteTo is io.WriterTo: the whole volume, in order. It ends at the first byte that it does not get.
func (v *Volume) WriteTo(w io.Writer) (n int64, err error) {
	b := make([]byte, copyBytes)
	for s, err := range v.Spans() {
		if err != nil {
			return n, err
		}
		for in := int64(0); in < s.Len; {
			part := b[:min(copyBytes, s.Len-in)]
			if err := v.fill(part, s, in); err != nil {
				return n, err
			}
			k, err := w.Write(part)
			n += int64(k)
			if err != nil {
				return n, err
			}
			in += int64(len(part))
		}
	}
	return n, nil
}
