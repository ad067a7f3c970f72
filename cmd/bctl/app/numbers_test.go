// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "007": 7, "512": 512, "1k": 1024, "1K": 1024, "1m": 1 << 20, "1M": 1 << 20, "2g": 2 << 30, "2G": 2 << 30,
		"3t": 3 << 40, "3T": 3 << 40, "9223372036854775807": math.MaxInt64, "8388607T": 8388607 << 40, "0T": 0,
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "k", "M", "1.5M", "512Q", "1kb", "1kB", "1 k", " 1", "1 ", "-1", "+1", "0x10", "1e3", "1kk", "1MM", "1P", "1\x00", "½",
		"9223372036854775808", "8388608T", "99999999999999999999", "99999999999999999999999999999999k", "18446744073709551616", "1,000",
	} {
		if got, err := ParseSize(s); !errors.As(err, new(usageError)) {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}

func TestParsePower(t *testing.T) {
	for s, want := range map[string]ondisk.Sector{"512": 1, "4k": 8, "512k": 1024, "32M": 65536, "1T": 1 << 31} {
		if got, err := ParsePower("-b", s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"1000": "not a power of two", "0": "not a power of two", "3k": "not a power of two", "256": "smaller than a sector",
		"1": "smaller than a sector", "1.5M": "not a size", "": "not a size", "99999999T": "too large",
	} {
		if _, err := ParsePower("-b", s); !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Digits and one unit are their value, or too large; everything else is refused.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"1", "1k", "1.5M", "512Q", "8388608T", "99999999999999999999", "-1", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digits := strings.TrimRight(s, "kKmMgGtT")
		unit := strings.ToLower(s[len(digits):])
		good := digits != "" && strings.Trim(digits, "0123456789") == "" && len(unit) <= 1
		got, err := ParseSize(s)
		if !good {
			if err == nil {
				t.Fatalf("%q: %d", s, got)
			}
			return
		}
		want, _ := new(big.Int).SetString(digits, 10)
		if len(unit) == 1 {
			want.Lsh(want, uint(10*(strings.Index("kmgt", unit)+1)))
		}
		if want.IsInt64() != (err == nil) || err == nil && want.Int64() != got {
			t.Fatalf("%q: %d, %v, want %v", s, got, err, want)
		}
	})
}
