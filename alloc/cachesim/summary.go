// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/bits"

	"bctl/alloc/blktrace"
)

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

// A Summarizer looks at requests. It keeps at most mostKept regions of regionBlocks blocks, whatever the trace: those whose
// hash is below a limit that falls as they become too many.
type Summarizer struct {
	s       Summary
	clock   Sim
	streams Feed
	of      *Sim         // replays the same requests, and knows their streams; nil: nobody does
	kept    []keptRegion // open addressing, by hash
	spare   []keptRegion // as large, from before the limit fell last, or nil
	regions int          // in kept
	blocks  uint64       // of these
	shift   uint         // of the limit
	waiting []keptRegion // for memory: blocks that are to be kept
}

// A keptRegion is a region by its hash, which no two share, and a bit for each block of it that was asked for; none: there is
// no region.
type keptRegion struct {
	hash   uint64
	blocks uint16
}

const (
	mostKept     = 1 << 15
	firstKept    = 1 << 10 // slots of the table
	regionBlocks = 16
)

// NewSummarizer has seen nothing. rate is that of Config.
func NewSummarizer(rate uint64) *Summarizer {
	z := &Summarizer{kept: make([]keptRegion, firstKept)}
	z.clock.cfg.Rate = rate
	return z
}

// Summarizer is a Summarizer of the requests that s replays, too. Streams are looked for once, if s does.
func (s *Sim) Summarizer() *Summarizer {
	z := NewSummarizer(s.cfg.Rate)
	if s.cfg.follows() {
		z.of = s
	}
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
		if z.of == nil {
			z.clock.setClock(q)
			z.streams.volume(q.Volume).next(nil, q.Sector, n, z.clock.now)
		}
		z.blocksOf(q)
	}
}

// AddPieces looks at what is in a sample of requests, for the blocks that are asked for alone.
func (z *Summarizer) AddPieces(pieces []Piece) {
	for i := range pieces {
		if q := &pieces[i].Request; q.Op == blktrace.Read || q.Op == blktrace.Write {
			z.blocksOf(q)
		}
	}
}

// blocksOf counts the blocks of a read or a write.
func (z *Summarizer) blocksOf(q *blktrace.Request) {
	first, last := q.Sector/sampleBlock, (q.Sector+uint64(q.Sectors)-1)/sampleBlock
	z.s.Accesses += last - first + 1
	for region := first / regionBlocks; region <= last/regionBlocks; region++ {
		h := mix(region ^ uint64(q.Volume+1)<<45)
		if h>>(64-z.shift) == 0 || z.shift == 0 {
			from := max(first, region*regionBlocks) % regionBlocks
			to := min(last, region*regionBlocks+regionBlocks-1) % regionBlocks
			z.wait(keptRegion{h, uint16(1<<(to+1) - 1<<from)})
		}
	}
}

// mostWaiting is how many regions' slots are fetched together.
const mostWaiting = 32

// wait is keep, later.
func (z *Summarizer) wait(k keptRegion) {
	slot := [1]uint32{uint32(k.hash & uint64(len(z.kept)-1))}
	prefetch(z.kept, slot[:])
	if z.waiting = append(z.waiting, k); len(z.waiting) == mostWaiting {
		z.keepAll()
	}
}

func (z *Summarizer) keepAll() {
	for _, k := range z.waiting {
		if k.hash>>(64-z.shift) == 0 || z.shift == 0 {
			z.keep(k.hash, k.blocks)
		}
	}
	z.waiting = z.waiting[:0]
}

// keep adds blocks to a region.
func (z *Summarizer) keep(h uint64, blocks uint16) {
	k := z.slot(h)
	had := k.blocks
	if had|blocks == had {
		return
	}
	k.hash, k.blocks = h, had|blocks
	z.blocks += uint64(bits.OnesCount16(blocks &^ had))
	if had != 0 {
		return
	}
	if z.regions++; 2*z.regions > len(z.kept) && z.regions <= mostKept {
		z.rehash(2 * len(z.kept))
	}
	for z.regions > mostKept {
		z.shift++
		z.rehash(len(z.kept))
	}
}

// slot is where a region is, or would be. Those that are kept differ in their lower bits.
func (z *Summarizer) slot(hash uint64) *keptRegion {
	for i := hash; ; i++ {
		if k := &z.kept[i&uint64(len(z.kept)-1)]; k.hash == hash || k.blocks == 0 {
			return k
		}
	}
}

// rehash makes the table anew, of so many slots, with what is below the limit.
func (z *Summarizer) rehash(slots int) {
	old := z.kept
	if len(z.spare) != slots {
		z.spare = make([]keptRegion, slots)
	}
	z.kept, z.spare, z.regions, z.blocks = z.spare, old, 0, 0
	clear(z.kept)
	for _, k := range old {
		if k.blocks != 0 && (k.hash>>(64-z.shift) == 0 || z.shift == 0) {
			*z.slot(k.hash) = k
			z.regions++
			z.blocks += uint64(bits.OnesCount16(k.blocks))
		}
	}
}

// Summary is what was seen so far.
func (z *Summarizer) Summary() Summary {
	z.keepAll()
	s := z.s
	s.Footprint = z.blocks << z.shift * sampleBlock
	if z.of == nil {
		s.Sequential = continued(z.streams.streams)
		return s
	}
	for _, v := range z.of.volumes {
		if v != nil {
			s.Sequential += v.streams.continued
		}
	}
	return s
}

// continued is how many requests went on where one had stopped.
func continued(all []*streams) (n uint64) {
	for _, v := range all {
		if v != nil {
			n += v.continued
		}
	}
	return n
}

// Summary is what all requests were like, those before the last ResetFigures too. sums have looked at the pieces of its
// samples, one at each.
func (f *Feed) Summary(sums ...*Summarizer) Summary {
	s := Summary{
		Reads: f.before.Reads + f.Full.Reads, Writes: f.before.Writes + f.Full.Writes, Trims: f.before.Trims + f.Full.Trims,
		ReadSectors:  f.before.ReadSectors + f.Full.ReadSectors,
		WriteSectors: f.before.WriteSectors + f.Full.WriteSectors,
		Sequential:   continued(f.streams),
	}
	for _, z := range sums {
		part := z.Summary()
		s.Footprint += part.Footprint
		s.Accesses += part.Accesses
	}
	n := uint64(len(sums))
	s.Footprint, s.Accesses = f.share.whole(s.Footprint)/n, f.share.whole(s.Accesses)/n
	return s
}
