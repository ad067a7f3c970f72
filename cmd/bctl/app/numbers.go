// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	"bctl/internal/bcache/ondisk"
)

// ParseSize reads a number of bytes: decimal digits and at most one of k, M, G, T for 1024 to the first to fourth,
// in either case. make-bcache stops reading at the first strange letter: it takes "1.5M" for one byte.
func ParseSize(s string) (int64, error) {
	n, err := ParseNumber(s[:len(s)-len(unitOf(s))])
	if err != nil {
		return 0, Usagef("%q is not a size: digits, and k, M, G or T for 1024, 1024^2 ...", s)
	}
	shift := map[string]uint{"": 0, "k": 10, "K": 10, "m": 20, "M": 20, "g": 30, "G": 30, "t": 40, "T": 40}[unitOf(s)]
	if hi, lo := bits.Mul64(n, 1<<shift); hi == 0 && lo <= math.MaxInt64 {
		return int64(lo), nil
	}
	return 0, Usagef("%q is too large: at most %d bytes", s, int64(math.MaxInt64))
}

// unitOf is the unit at the end of s.
func unitOf(s string) string {
	if s == "" {
		return ""
	}
	switch s[len(s)-1] {
	case 'k', 'K', 'm', 'M', 'g', 'G', 't', 'T':
		return s[len(s)-1:]
	}
	return ""
}

// ParseNumber reads decimal digits and nothing else. What does not fit is the largest there is.
func ParseNumber(s string) (n uint64, err error) {
	if s == "" {
		return 0, Usagef("no number")
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, Usagef("%q is not a number", s)
		}
		hi, lo := bits.Mul64(n, 10)
		sum, carry := bits.Add64(lo, uint64(c-'0'), 0)
		if n = sum; hi != 0 || carry != 0 {
			n = math.MaxUint64 // and it stays there
		}
	}
	return n, nil
}

// ParsePower reads a bucket or block size, which is given in bytes and used in sectors.
func ParsePower(flag, s string) (ondisk.Sector, error) {
	n, err := ParseSize(s)
	switch {
	case err != nil:
		return 0, Usagef("%s: %v", flag, err)
	case bits.OnesCount64(uint64(n)) != 1:
		return 0, Usagef("%s: %s is not a power of two, of 512 bytes or more", flag, s)
	case n < ondisk.SectorBytes:
		return 0, Usagef("%s: %s is smaller than a sector: sizes are in bytes, write %sk for KiB", flag, s, s)
	}
	return ondisk.Sector(n / ondisk.SectorBytes), nil
}

// ParseBuckets reads A-B, or A alone.
func ParseBuckets(s string) (first, last ondisk.Bucket, ok bool) {
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	x, err1 := strconv.ParseUint(a, 10, 64)
	y, err2 := strconv.ParseUint(b, 10, 64)
	return ondisk.Bucket(x), ondisk.Bucket(y), err1 == nil && err2 == nil && x <= y
}
