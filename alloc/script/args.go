// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bctl/alloc"
)

func parseUint(v string, limit uint64) (uint64, error) {
	n, err := strconv.ParseUint(v, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > limit:
		return 0, fmt.Errorf("%s: at most %d", v, limit)
	case err != nil:
		return 0, fmt.Errorf("%q: want a number", v)
	}
	return n, nil
}

func parseInt(v string, low, high int) (int, error) {
	n, err := parseUint(v, uint64(high))
	if err == nil && n < uint64(low) {
		err = fmt.Errorf("%s: at least %d", v, low)
	}
	return int(n), err
}

func parseBool(v string) (bool, error) {
	switch v {
	case "0", "1":
		return v == "1", nil
	}
	return false, fmt.Errorf("%q: want 0 or 1", v)
}

// bucketArg reads a bucket number.
func (s *script) bucketArg(v string) (int, error) {
	n, err := parseInt(v, 0, s.cfg.NBuckets-1)
	if err != nil {
		return 0, fmt.Errorf("bucket %w", err)
	}
	return n, nil
}

// rangeArg reads B or A-B, both ends included, as [lo, hi).
func (s *script) rangeArg(v string) (lo, hi int, err error) {
	a, b, isRange := strings.Cut(v, "-")
	if !isRange {
		b = a
	}
	if lo, err = s.bucketArg(a); err != nil {
		return 0, 0, err
	}
	if hi, err = s.bucketArg(b); err != nil {
		return 0, 0, err
	}
	if hi < lo {
		return 0, 0, fmt.Errorf("buckets %s: the range ends before it begins", v)
	}
	return lo, hi + 1, nil
}

// A mode is what an allocation does that finds no bucket.
type mode uint8

const (
	modeNowait mode = iota
	modeWait
	modePark // sleep, and let the script go on
)

func parseMode(v string) (mode, error) {
	switch {
	case v == "nowait":
		return modeNowait, nil
	case v == "wait":
		return modeWait, nil
	case strings.HasPrefix(v, "park=") && len(v) > len("park="):
		return modePark, nil
	}
	return 0, fmt.Errorf("mode %q: want wait, nowait or park=LABEL", v)
}

// requestArgs reads INODE OFFSET SECTORS WRITE_POINT WRITE_PRIO.
func requestArgs(args []string) (r alloc.Request, err error) {
	limits := [...]struct {
		name  string
		limit uint64
	}{
		{"inode", alloc.MaxInode},
		{"offset", 1<<63 - 1},
		{"sectors", 1<<31 - 1},
		{"write point", 1<<32 - 1},
		{"write prio", 1<<32 - 1},
	}
	var v [len(limits)]uint64
	for i, l := range limits {
		if v[i], err = parseUint(args[i], l.limit); err != nil {
			return r, fmt.Errorf("%s %w", l.name, err)
		}
	}
	return alloc.Request{
		Key: alloc.Key{Inode: uint32(v[0]), Offset: v[1]}, Sectors: int(v[2]),
		WritePoint: uint32(v[3]), WritePrio: uint32(v[4]),
	}, nil
}
