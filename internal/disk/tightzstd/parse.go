// SPDX-License-Identifier: GPL-2.0-only

package tightzstd

import "math"

const (
	hashBits = 14
	least    = 3   // bytes of a match
	tries    = 24  // places that are looked at
	far      = 256 // a match that is so long is taken, whatever would come within it
)

// A step is the cheapest way to a place.
type step struct {
	cost     float64 // bits
	literals int     // behind the last match
	match    int     // that ends here; 0: a literal does
	from     int     // where that match's literals began
	seq      sequence
	reps     [3]uint32
}

// parse finds the cheapest way through src[at:end]: its sequences, and how many literals are left behind them.
func (e *encoder) parse(at, end int) (seqs []sequence, rest int) {
	if e.steps == nil {
		e.steps = make([]step, min(len(e.src), blockMost)+1)
	}
	steps := e.steps[:end-at+1]
	for i := range steps {
		steps[i] = step{cost: math.Inf(1)}
	}
	steps[0] = step{reps: e.reps}
	for p := at; p < end; {
		s := &steps[p-at]
		if next := &steps[p-at+1]; s.cost+8 < next.cost {
			*next = step{cost: s.cost + 8, literals: s.literals + 1, reps: s.reps}
		}
		longest := e.matches(p, end, s, func(n int, value uint32, reps [3]uint32) {
			q := sequence{literals: s.literals, match: n, value: value, after: reps}
			cost := s.cost
			for k, c := range q.codes() {
				cost += predefined[k].price[c.code] + float64(c.bits)
			}
			if to := &steps[p-at+n]; cost < to.cost {
				*to = step{cost: cost, match: n, from: p - s.literals, seq: q, reps: reps}
			}
		})
		e.note(p)
		if longest < far {
			p++
			continue
		}
		for i := p + 1; i < p+longest; i++ { // nothing begins within it
			steps[i-at].cost = math.Inf(1)
		}
		p += longest
	}
	for i := end - at; i > 0; {
		s := &steps[i]
		if s.match == 0 {
			rest += s.literals
			i -= s.literals
			continue
		}
		seqs = append(seqs, s.seq)
		i = s.from - at
	}
	for i, j := 0, len(seqs)-1; i < j; i, j = i+1, j-1 {
		seqs[i], seqs[j] = seqs[j], seqs[i]
	}
	return seqs, rest
}

// matches calls use with each match at p that may be worth it, and returns how long the longest is.
func (e *encoder) matches(p, end int, s *step, use func(n int, value uint32, reps [3]uint32)) (longest int) {
	try := func(offset, value uint32, reps [3]uint32) {
		n := e.same(p, end, offset)
		if n < least || n <= longest && value > 3 {
			return
		}
		from := least
		if n >= far {
			from = n
		}
		for k := from; k <= n; k++ {
			use(k, value, reps)
		}
		longest = max(longest, n)
	}
	r := s.reps
	if s.literals > 0 {
		try(r[0], 1, r)
		try(r[1], 2, [3]uint32{r[1], r[0], r[2]})
		try(r[2], 3, [3]uint32{r[2], r[0], r[1]})
	} else {
		try(r[1], 1, [3]uint32{r[1], r[0], r[2]})
		try(r[2], 2, [3]uint32{r[2], r[0], r[1]})
		if r[0] > 1 {
			try(r[0]-1, 3, [3]uint32{r[0] - 1, r[0], r[1]})
		}
	}
	if p+least > end {
		return longest
	}
	was := e.heads[e.hash(p)]
	for range tries {
		if was == 0 {
			break
		}
		offset := uint32(p - int(e.chain[was-1].at))
		try(offset, offset+3, [3]uint32{offset, r[0], r[1]})
		was = e.chain[was-1].before
	}
	return longest
}

// same is how many bytes at p are those offset bytes before.
func (e *encoder) same(p, end int, offset uint32) (n int) {
	from := p - int(offset)
	if from < 0 || offset == 0 {
		return 0
	}
	for p+n < end && e.src[p+n] == e.src[from+n] {
		n++
	}
	return n
}

func (e *encoder) hash(p int) uint32 {
	v := uint32(e.src[p]) | uint32(e.src[p+1])<<8 | uint32(e.src[p+2])<<16
	return v * 0x9E3779B1 >> (32 - hashBits)
}

// note makes p known.
func (e *encoder) note(p int) {
	if p+least <= len(e.src) {
		h := e.hash(p)
		e.chain = append(e.chain, place{int32(p), e.heads[h]})
		e.heads[h] = int32(len(e.chain))
	}
}
