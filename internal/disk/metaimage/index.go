// SPDX-License-Identifier: GPL-2.0-only

package metaimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrBroken says that a file begins as a metadata image and does not go on as one.
var ErrBroken = errors.New("a damaged metadata image")

// ErrVersion says that a metadata image is of a later bctl.
var ErrVersion = errors.New("a metadata image of a later version")

// SectorBytes is the unit of areas.
const SectorBytes = 512

// Limits that keep what a file can make a reader do within bounds.
const (
	maxDevices = 1024
	maxIndex   = 64 << 20 // bytes
)

// An Area is a run of a device's bytes that the image has, in whole sectors.
type Area struct{ Off, Len int64 }

// A Kind says what a device was.
type Kind uint8

const (
	Cache Kind = iota
	Backing
)

// A Device is one that the image has a part of.
type Device struct {
	Kind         Kind
	Size         int64 // bytes
	LogicalBlock int   // bytes
	Areas        []Area
}

// bytes is how much of the device the image has.
func (d *Device) bytes() (n int64) {
	for _, a := range d.Areas {
		n += a.Len
	}
	return n
}

// An Index says what an image holds: the areas of its devices stand one behind the other in the stream, in this order.
type Index struct {
	Sanitized bool
	Devices   []Device
}

// Bytes is how long the stream is.
func (ix *Index) Bytes() (n int64) {
	for i := range ix.Devices {
		n += ix.Devices[i].bytes()
	}
	return n
}

// append encodes ix; Areas must be ascending and not touch one another.
func (ix *Index) append(b []byte) []byte {
	flags := byte(0)
	if ix.Sanitized {
		flags |= 1
	}
	b = binary.AppendUvarint(append(b, flags), uint64(len(ix.Devices)))
	for i := range ix.Devices {
		b = ix.Devices[i].append(b)
	}
	return b
}

// mostUnit is the largest unit of areas, as a power of two of sectors.
const mostUnit = 3

func (d *Device) append(b []byte) []byte {
	unit := mostUnit
	for _, a := range d.Areas {
		for (a.Off|a.Len)&(SectorBytes<<unit-1) != 0 && unit > 0 {
			unit--
		}
	}
	block := 0
	for SectorBytes<<block < d.LogicalBlock && block < 15 {
		block++
	}
	b = append(b, byte(d.Kind)|byte(block)<<1|byte(unit)<<5)
	rest := uint64(d.Size) % SectorBytes
	size := uint64(d.Size) / SectorBytes * 2
	if rest == 0 {
		b = binary.AppendUvarint(b, size)
	} else {
		b = binary.AppendUvarint(binary.AppendUvarint(b, size+1), rest)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Areas)))
	at := int64(0)
	for _, a := range d.Areas {
		b = binary.AppendUvarint(b, uint64(a.Off-at)/SectorBytes>>unit)
		b = binary.AppendUvarint(b, uint64(a.Len)/SectorBytes>>unit)
		at = a.Off + a.Len
	}
	return b
}

// A cursor reads numbers until one is not there, or too large.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) number(most uint64) uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > most {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// decodeIndex is append's inverse. Errors wrap ErrBroken.
func decodeIndex(b []byte) (*Index, error) {
	c := &cursor{b: b}
	ix := &Index{Sanitized: c.number(math.MaxUint8)&1 != 0}
	total := uint64(0)
	for range c.number(maxDevices) {
		d, err := c.device()
		if err != nil {
			return nil, err
		}
		ix.Devices, total = append(ix.Devices, d), total+uint64(d.bytes())
	}
	if c.bad || len(c.b) > 0 || total > math.MaxInt64 || len(ix.Devices) == 0 {
		return nil, fmt.Errorf("%w: its index cannot be read", ErrBroken)
	}
	return ix, nil
}

func (c *cursor) device() (d Device, err error) {
	head := c.number(1<<7 - 1)
	unit := head >> 5
	d.Kind, d.LogicalBlock = Kind(head&1), SectorBytes<<(head>>1&15)
	size := c.number(math.MaxInt64/SectorBytes - 1)
	d.Size = int64(size / 2 * SectorBytes)
	if size%2 != 0 {
		d.Size += int64(c.number(SectorBytes - 1))
	}
	count, at := c.number(uint64(len(c.b)/2)), int64(0)
	for range count {
		off := at + int64(c.number(uint64(d.Size-at)/SectorBytes>>unit)<<unit)*SectorBytes
		size := int64(c.number(uint64(d.Size-off)/SectorBytes>>unit)<<unit) * SectorBytes
		if c.bad || size == 0 {
			return d, fmt.Errorf("%w: an area that cannot be", ErrBroken)
		}
		d.Areas = append(d.Areas, Area{off, size})
		at = off + size
	}
	return d, nil
}
