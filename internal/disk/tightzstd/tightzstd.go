// SPDX-License-Identifier: GPL-2.0-only

// Package tightzstd packs little into less: a zstd frame (RFC 8878) of data that are nearly all zero, a few bytes shorter
// than encoders make it that are made for speed. What it makes any decoder reads.
//
//	bytes, in blocks of 128 KiB     one value alone: a run
//	the cheapest way through a block: literals as they are, matches by the predefined tables
//
// It tries everything, and is slow where there is much: give it little.
package tightzstd

import (
	"encoding/binary"
	"math/bits"
)

const (
	frameMagic = 0xFD2FB528
	blockMost  = 128 << 10
)

const ( // of a block
	rawBlock = iota
	runBlock
	packedBlock
)

// Encode makes a frame of src, which states its length and has no checksum.
func Encode(src []byte) []byte {
	e := &encoder{src: src, reps: [3]uint32{1, 4, 8}, heads: make([]int32, 1<<hashBits)}
	out := frameHead(len(src))
	for at := 0; at < len(src) || at == 0; at += blockMost {
		end := min(at+blockMost, len(src))
		kind, n, body := e.block(at, end)
		h := uint32(n)<<3 | uint32(kind)<<1
		if end == len(src) {
			h |= 1
		}
		out = append(out, byte(h), byte(h>>8), byte(h>>16))
		out = append(out, body...)
	}
	return out
}

// frameHead says that all is one segment, and how long it is.
func frameHead(n int) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32(nil, frameMagic)
	switch {
	case n < 256:
		return append(out, 0x20, byte(n))
	case n < 256+1<<16:
		return le.AppendUint16(append(out, 0x60), uint16(n-256))
	}
	return le.AppendUint32(append(out, 0xA0), uint32(n))
}

// encoder is a frame in the making.
type encoder struct {
	src   []byte
	reps  [3]uint32 // the offsets used last, as the decoder has them too
	heads []int32   // of each hash the last of the places, its number and one more
	chain []place   // all that were looked at: where there is little, they are few
	steps []step    // of the block
}

// A place is a byte that was looked at, and the number of the one before with the same hash, and one more.
type place struct{ at, before int32 }

// block is what src[at:end] becomes; n is its size as its header says it.
func (e *encoder) block(at, end int) (kind, n int, body []byte) {
	b := e.src[at:end]
	if len(b) > 0 && isRun(b) {
		return runBlock, len(b), b[:1]
	}
	seqs, rest := e.parse(at, end)
	packed := e.packed(at, seqs, rest)
	if len(packed) >= len(b) {
		return rawBlock, len(b), b
	}
	for _, s := range seqs {
		e.reps = s.after
	}
	return packedBlock, len(packed), packed
}

func isRun(b []byte) bool {
	for _, c := range b[1:] {
		if c != b[0] {
			return false
		}
	}
	return true
}

// A sequence is literals and the match behind them.
type sequence struct {
	literals, match int
	value           uint32 // of the offset, as it is written
	after           [3]uint32
}

// packed is the body of a compressed block: what parse found, and the literals behind it.
func (e *encoder) packed(at int, seqs []sequence, rest int) []byte {
	var literals []byte
	for _, s := range seqs {
		literals = append(literals, e.src[at:at+s.literals]...)
		at += s.literals + s.match
	}
	literals = append(literals, e.src[at:at+rest]...)
	var out []byte
	switch n := len(literals); {
	case n < 32:
		out = append(out, byte(n<<3))
	case n < 4096:
		out = append(out, byte(n<<4|1<<2), byte(n>>4))
	default:
		out = append(out, byte(n<<4|3<<2), byte(n>>4), byte(n>>12))
	}
	out = append(out, literals...)
	switch n := len(seqs); {
	case n < 128:
		out = append(out, byte(n))
	case n < 0x7F00:
		out = append(out, byte(n>>8|0x80), byte(n))
	default:
		out = append(out, 255, byte(n-0x7F00), byte((n-0x7F00)>>8))
	}
	if len(seqs) == 0 {
		return out
	}
	return append(out, bitsOf(seqs)...)
}

// bitsOf are the modes of the three tables, and the sequences, the last one first.
func bitsOf(seqs []sequence) []byte {
	var same [3]bool
	for k := range same {
		same[k] = true
		for _, s := range seqs {
			same[k] = same[k] && s.codes()[k].code == seqs[0].codes()[k].code
		}
	}
	modes, one := byte(0), []byte(nil)
	for k, shift := range [3]int{6, 4, 2} { // literals, offset, match
		if same[k] {
			modes |= 1 << shift
			one = append(one, seqs[0].codes()[k].code)
		}
	}
	var w bitWriter
	var states [3]uint32
	for i := len(seqs) - 1; i >= 0; i-- {
		c := seqs[i].codes()
		for _, k := range [3]int{1, 2, 0} {
			switch t := predefined[k]; {
			case same[k]:
			case i == len(seqs)-1:
				states[k] = t.first(c[k].code)
			default:
				states[k] = t.next(&w, states[k], c[k].code)
			}
		}
		for _, k := range [3]int{0, 2, 1} {
			w.add(c[k].extra, c[k].bits)
		}
	}
	for _, k := range [3]int{2, 1, 0} {
		if !same[k] {
			w.add(states[k], predefined[k].log)
		}
	}
	w.add(1, 1)
	return append(append([]byte{modes}, one...), w.end()...)
}

// A coded is a number: a symbol, and bits as they are.
type coded struct {
	code  byte
	extra uint32
	bits  uint8
}

// codes are those of the literals' length, the offset and the match's length.
func (s *sequence) codes() [3]coded {
	of := uint8(bits.Len32(s.value) - 1)
	return [3]coded{literalCodes.of(uint32(s.literals)), {of, s.value - 1<<of, of}, matchCodes.of(uint32(s.match))}
}

// A bitWriter fills bytes from their lowest bit on.
type bitWriter struct {
	out  []byte
	hold uint64
	n    uint8
}

func (w *bitWriter) add(v uint32, n uint8) {
	w.hold |= uint64(v&(1<<n-1)) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.hold))
		w.hold >>= 8
	}
}

func (w *bitWriter) end() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.hold))
	}
	return w.out
}
