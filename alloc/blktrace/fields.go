// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
)

// words cuts a line at blanks. It returns how many there are, at most 16: the last one is then the rest.
func words(line []byte, to *[16][]byte) (n int) {
	for i := 0; i < len(line) && n < len(to); n++ {
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		if i == len(line) {
			break
		}
		start := i
		for i < len(line) && line[i] != ' ' && line[i] != '\t' {
			i++
		}
		to[n] = line[start:i]
	}
	return n
}

// commas cuts a line at commas.
func commas(line []byte, to *[16][]byte) (n int) {
	for ; n < len(to)-1; n++ {
		i := bytes.IndexByte(line, ',')
		if i < 0 {
			break
		}
		to[n], line = line[:i], line[i+1:]
	}
	to[n] = line
	return n + 1
}

// number reads decimal digits.
func number(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for i, c := range b {
		d := uint64(c - '0')
		if d > 9 {
			return 0, false
		}
		if i < 19 {
			n = n*10 + d
			continue
		}
		hi, lo := bits.Mul64(n, 10)
		sum, carry := bits.Add64(lo, d, 0)
		if hi != 0 || carry != 0 {
			return 0, false
		}
		n = sum
	}
	return n, true
}

// numbered is number with an error that names the field.
func numbered(what string, b []byte) (uint64, error) {
	n, ok := number(b)
	if !ok {
		return 0, fmt.Errorf("%s %q: not a number", what, short(b))
	}
	return n, nil
}

// pair reads where a request goes.
func pair(offset, length []byte) (o, l uint64, err error) {
	if o, err = numbered("offset", offset); err != nil {
		return 0, 0, err
	}
	l, err = numbered("length", length)
	return o, l, err
}

// seconds reads S or S.FRACTION as microseconds.
func seconds(b []byte) (us uint64, err error) {
	whole, fraction, _ := bytes.Cut(b, []byte{'.'})
	s, ok := number(whole)
	if !ok || s > 9e12 {
		return 0, fmt.Errorf("time %q: not seconds", short(b))
	}
	for i := range 6 {
		d := uint64(0)
		if i < len(fraction) {
			d = uint64(fraction[i] - '0')
		}
		if d > 9 {
			return 0, fmt.Errorf("time %q: not seconds", short(b))
		}
		us = us*10 + d
	}
	return s*1e6 + us, nil
}

// short is as much of a field as a message needs.
func short(b []byte) []byte { return b[:min(len(b), 40)] }

// isWord compares in any case.
func isWord(b []byte, word string) bool {
	return len(b) == len(word) && bytes.EqualFold(b, []byte(word))
}

// isDevice recognises MAJOR,MINOR.
func isDevice(b []byte) bool {
	major, minor, ok := bytes.Cut(b, []byte{','})
	_, ok1 := number(major)
	_, ok2 := number(minor)
	return ok && ok1 && ok2
}

var errColumns = errors.New("too few columns")
