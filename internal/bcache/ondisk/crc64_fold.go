// SPDX-License-Identifier: GPL-2.0-only

package ondisk

// Folding: a message is a polynomial, and a processor that multiplies polynomials need not divide it. Sixteen bytes
// that stand D bits before others weigh x^D times as much: multiplied with x^D modulo the checksum's polynomial they can
// be added to those others, and the remainder stays the same. Of the last sixteen bytes Barrett's method makes the
// remainder, with the quotient's multiple of 1/P.

// A crcFold is x^D and x^(D+64), for the lower and the upper eight of sixteen bytes.
type crcFold struct{ low, high uint64 }

// crcFolds is what the assembly multiplies with. It knows each by its place; those of the first four stand as the lanes
// of a wide register need them.
type crcFolds struct {
	by384, by256, by128, _               crcFold
	by512, by768, by1024, by1536, by2048 crcFold
	barrett                              crcFold // 1/P and P, both without their highest power
}

// A crcFolder is one way to fold n bytes from p on, a multiple of 16 and at least least.
type crcFolder struct {
	name  string
	least int
	fold  func(crc uint64, p *byte, n int, k *crcFolds) uint64
}

var (
	crcFast   = crcFolders()
	crcFoldBy = makeCrcFolds()
)

func makeCrcFolds() crcFolds {
	by := func(d int) crcFold { return crcFold{crcPower(d), crcPower(d + 64)} }
	return crcFolds{
		by384: by(384), by256: by(256), by128: by(128),
		by512: by(512), by768: by(768), by1024: by(1024), by1536: by(1536), by2048: by(2048),
		barrett: crcFold{crcInverse(), crcPoly},
	}
}

// crcPower is x^n modulo P, for n of 64 and more.
func crcPower(n int) uint64 {
	p := uint64(crcPoly) // x^64
	for ; n > 64; n-- {
		p = p<<1 ^ crcPoly&-(p>>63)
	}
	return p
}

// crcInverse is x^128 divided by P, without its highest power, 64.
func crcInverse() (q uint64) {
	rest := uint64(crcPoly) // of x^128 - x^64*P, the upper half; the lower is 0
	for range 64 {
		top := rest >> 63
		q = q<<1 | top
		rest = rest<<1 ^ crcPoly&-top
	}
	return q
}
