// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "bctl/alloc/blktrace"

// A Summary is what a trace is like. Blocks are 4 KiB.
type Summary struct {
	Reads, Writes, Trims      uint64
	ReadSectors, WriteSectors uint64
	Sequential                uint64 // reads and writes that go on where one of the last 128 of the volume ended
	Footprint                 uint64 // sectors in different blocks that are read or written
	Accesses                  uint64 // of blocks, by reads and writes
}

// Reuse is the share of accesses to a block that was accessed before.
func (s *Summary) Reuse() Ratio {
	blocks := min(s.Footprint/sampleBlock, s.Accesses)
	return ratio(s.Accesses-blocks, s.Accesses)
}

// Requests is how many there are.
func (s *Summary) Requests() uint64 { return s.Reads + s.Writes + s.Trims }

// SequentialShare is that of reads and writes.
func (s *Summary) SequentialShare() Ratio { return ratio(s.Sequential, s.Reads+s.Writes) }

// A Summarizer looks at requests. It keeps at most mostKept blocks, whatever the trace: those whose hash is below a limit
// that falls as they become too many.
type Summarizer struct {
	s       Summary
	clock   Sim
	streams Feed
	kept    map[uint64]struct{} // by hash, which no two blocks share
	shift   uint                // of the limit
}

const mostKept = 1 << 20

// NewSummarizer has seen nothing. rate is that of Config.
func NewSummarizer(rate uint64) *Summarizer {
	z := &Summarizer{kept: map[uint64]struct{}{}}
	z.clock.cfg.Rate = rate
	return z
}

// Add looks at requests.
func (z *Summarizer) Add(batch []blktrace.Request) {
	for i := range batch {
		q := &batch[i]
		n := uint64(q.Sectors)
		switch q.Op {
		case blktrace.Read:
			z.s.Reads++
			z.s.ReadSectors += n
		case blktrace.Write:
			z.s.Writes++
			z.s.WriteSectors += n
		case blktrace.Trim:
			z.s.Trims++
			continue
		default:
			continue
		}
		z.clock.setClock(q)
		v := z.streams.volume(q.Volume)
		if v.find(q.Sector, z.clock.now) != none {
			z.s.Sequential++
		}
		v.next(nil, q.Sector, n, z.clock.now)
		last := (q.Sector + n - 1) / sampleBlock
		z.s.Accesses += last - q.Sector/sampleBlock + 1
		for b := q.Sector / sampleBlock; b <= last; b++ {
			h := mix(b ^ uint64(q.Volume+1)<<45)
			if h>>(64-z.shift) == 0 || z.shift == 0 {
				z.keep(h)
			}
		}
	}
}

func (z *Summarizer) keep(h uint64) {
	z.kept[h] = struct{}{}
	for len(z.kept) > mostKept {
		z.shift++
		for k := range z.kept {
			if k>>(64-z.shift) != 0 {
				delete(z.kept, k)
			}
		}
	}
}

// Summary is what was seen so far.
func (z *Summarizer) Summary() Summary {
	s := z.s
	s.Footprint = uint64(len(z.kept)) << z.shift * sampleBlock
	return s
}
