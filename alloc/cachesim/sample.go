// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"fmt"
	"math"
	"math/bits"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// A sample is some of the blocks of 4 KiB, chosen by their hash, and a cache with as large a share of the buckets. As
// in SHARDS-adj what is wrong with the count of requests in it, one hot block in or out, is taken for hits: misses are
// counted, and set against all requests of the trace.

// A Share is the part of the blocks that a sample has, in 2^-32.
type Share uint64

const (
	whole       = 1 << 32
	sampleBlock = 8       // sectors
	weightOne   = 1 << 20 // a request
	wholeTrim   = 1 << 14 // sectors from which a trim is not cut: it drops what there is
)

// NewShare is a part between 0 and 1.
func NewShare(r float64) (Share, error) {
	s := Share(math.Round(r * whole))
	if !(r > 0 && r <= 1) || s == 0 {
		return 0, fmt.Errorf("%w: a sample of %v, want more than 0, at most 1", alloc.ErrConfig, r)
	}
	return s, nil
}

// ResetFigures begins to count anew.
func (f *Feed) ResetFigures() {
	b, c := &f.before, &f.Full
	b.Reads, b.Writes, b.Trims = b.Reads+c.Reads, b.Writes+c.Writes, b.Trims+c.Trims
	b.ReadSectors, b.WriteSectors = b.ReadSectors+c.ReadSectors, b.WriteSectors+c.WriteSectors
	f.Full = Figures{}
}

// Of is the share of n.
func (r Share) Of(n uint64) uint64 { return r.of(n) }

// of is the share of n.
func (r Share) of(n uint64) uint64 {
	hi, lo := bits.Mul64(n, uint64(r))
	lo, carry := bits.Add64(lo, whole/2, 0)
	return (hi+carry)<<32 | lo>>32
}

// whole is how much n of the sample are of all.
func (r Share) whole(n uint64) uint64 {
	hi, lo := n>>32, n<<32
	if hi >= uint64(r) {
		return math.MaxUint64
	}
	q, _ := bits.Div64(hi, lo, uint64(r))
	return q
}

// Sample is the cache for a sample of the blocks. What holds no data, floors and all, is taken off before the buckets
// are shared, and added to the share. Nothing takes time, but where the sample is everything.
func (c Config) Sample(r Share) Config {
	full := c.Alloc
	if r == whole {
		return c
	}
	c.PrioWrite, c.GC, c.share = 0, 0, r
	a := &c.Alloc
	a.SampleOf = full.NBuckets
	data := int(r.of(uint64(max(full.NBuckets-full.Overhead(), 0))))
	for a.NBuckets = max(data, 1); a.NBuckets < data+a.Overhead(); {
		a.NBuckets++
	}
	a.NBuckets = min(max(a.NBuckets, a.LeastSample()), full.NBuckets)
	return c
}

// A Piece is the part of a request that is in a sample.
type Piece struct {
	blktrace.Request
	now    int64
	weight uint64
	bypass bool

	// A sample's share of what all requests up to this one were, of those that are not bypassed: sectors, and those
	// written.
	sectors, written uint64
}

// sampled is what a Sim of a sample makes up for: requests that are in it, or not, by chance.
type sampled struct {
	share   Share  // 0: it is no sample
	aged    uint64 // sectors by which prios were rescaled
	written uint64 // sectors allocated for writes
	all     uint64 // that should have been
}

// A Feed cuts requests into the pieces that are in samples, and counts all of them.
type Feed struct {
	cfg     Config
	share   Share
	salt    uint64
	clock   Sim // of which only the clock is used
	streams []*streams
	tasks   tasks

	last       *streams // those used last, of a volume
	lastNumber uint32

	sectors uint64
	written uint64
	Full    Figures // of all requests: what no cache has a say in
	before  Figures // of the warmup
}

// NewFeed makes a feed; which blocks are in a sample depends on seed.
func NewFeed(cfg Config, r Share, seed uint64) *Feed {
	f := &Feed{cfg: cfg, share: r, salt: mix(seed)}
	f.clock.cfg.Rate = cfg.Rate
	return f
}

// Split appends each request's pieces to out: a list, or two, of different samples.
func (f *Feed) Split(batch []blktrace.Request, out [][]Piece) {
	for i := range batch {
		q := &batch[i]
		if q.Op == blktrace.Flush {
			continue
		}
		f.clock.setClock(q)
		v := f.last
		if v == nil || f.lastNumber != q.Volume {
			v = f.volume(q.Volume)
		}
		bypass := f.cfg.bypasses(v, &f.tasks, q, f.clock.now)
		f.count(q, bypass)
		if f.share != whole && q.Sector%sampleBlock+uint64(q.Sectors) <= sampleBlock && q.Op != blktrace.Trim {
			// Mostly it is one block, and in no sample.
			if k := f.sampleOf(q.Volume, q.Sector/sampleBlock); k != 0 {
				f.add(out, k, q, bypass)
			}
			continue
		}
		p := f.piece(q, bypass)
		if f.share == whole || q.Op == blktrace.Trim && q.Sectors >= wholeTrim {
			for i := range out {
				out[i] = append(out[i], p)
			}
			continue
		}
		f.cut(out, &p)
	}
}

// add appends a request to the samples that it is in.
func (f *Feed) add(out [][]Piece, k uint, q *blktrace.Request, bypass bool) {
	for i := range out {
		if k>>i&1 != 0 {
			out[i] = append(out[i], f.piece(q, bypass))
		}
	}
}

// piece is a request that is in a sample.
func (f *Feed) piece(q *blktrace.Request, bypass bool) Piece {
	return Piece{*q, f.clock.now, weightOne, bypass, f.share.of(f.sectors), f.share.of(f.written)}
}

// sampleOf is which samples a block is in, a bit each. There are two at most: blocks whose hash is low, and those whose
// is high.
func (f *Feed) sampleOf(volume uint32, block uint64) (k uint) {
	h := mix(block^uint64(volume+1)<<45^f.salt) >> 32
	if h >= uint64(f.share) && whole-1-h >= uint64(f.share) {
		return 0 // mostly
	}
	_, low := bits.Sub64(h, uint64(f.share), 0)
	_, high := bits.Sub64(whole-1-h, uint64(f.share), 0)
	return uint(low | high<<1)
}

// cut appends the pieces of one request. Blocks in a row are one piece.
func (f *Feed) cut(out [][]Piece, p *Piece) {
	end := p.Sector + uint64(p.Sectors)
	first, last := p.Sector/sampleBlock, (end-1)/sampleBlock
	weight := weightOne / (last - first + 1)
	joins := uint(0)
	for block := first; block <= last; block++ {
		in := f.sampleOf(p.Volume, block)
		from, to := max(block*sampleBlock, p.Sector), min((block+1)*sampleBlock, end)
		for i := range out {
			switch {
			case in>>i&1 == 0:
			case joins>>i&1 != 0:
				o := &out[i][len(out[i])-1]
				o.Sectors += uint32(to - from)
				o.weight += weight
			default:
				piece := *p
				piece.Sector, piece.Sectors, piece.weight = from, uint32(to-from), weight
				out[i] = append(out[i], piece)
			}
		}
		joins = in
	}
}

// mix scatters the bits of x: the end of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (f *Feed) volume(number uint32) *streams {
	if int(number) >= len(f.streams) {
		f.streams = append(f.streams, make([]*streams, int(number)+1-len(f.streams))...)
	}
	if f.streams[number] == nil {
		f.streams[number] = new(streams)
	}
	f.last, f.lastNumber = f.streams[number], number
	return f.last
}

func (f *Feed) count(q *blktrace.Request, bypass bool) {
	n := uint64(q.Sectors)
	c := &f.Full
	past := uint64(0)
	if bypass {
		past = 1
		c.BypassedSectors += n
	} else {
		f.sectors += n
	}
	c.Bypassed += past
	switch q.Op {
	case blktrace.Read:
		c.Reads++
		c.ReadSectors += n
		c.BypassReads += past
	case blktrace.Write:
		c.Writes++
		c.WriteSectors += n
		if !bypass {
			f.written += n
		}
	case blktrace.Trim:
		c.Trims++
	}
}

// DoPieces replays the pieces of a sample.
func (s *Sim) DoPieces(pieces []Piece) error {
	for i := range pieces {
		if i%ahead == 0 {
			for k := range pieces[i:min(i+ahead, len(pieces))] {
				s.fetchPage(&pieces[i+k].Request)
			}
		}
		p := &pieces[i]
		s.now = max(s.now, p.now)
		s.requests++
		if s.idle > 0 {
			s.busy()
		}
		if s.now >= s.nextEvent {
			s.advance()
		}
		s.setVolume(&p.Request)
		s.weight = p.weight
		s.settleSample(p)
		s.request(&p.Request, p.bypass || s.crowded())
	}
	return s.c.Err()
}

// settleSample makes a sample's prios age, and its buckets fill, as all requests have it. One hot block that is written
// again and again fills many: the sample has more than its share of it, or nothing.
func (s *Sim) settleSample(p *Piece) {
	m := &s.sample
	if m.share == 0 {
		return
	}
	s.c.Rescale(int32(p.sectors - m.aged))
	m.aged, m.all = p.sectors, p.written
	for m.all >= m.written+sampleBlock {
		n := min(m.all-m.written, uint64(s.cfg.Alloc.BucketSize)) / sampleBlock * sampleBlock
		m.written += n
		s.garbage(n)
	}
}

// garbage fills n sectors with what nobody asks for.
func (s *Sim) garbage(n uint64) {
	if s.sectorsToGC -= int64(n); s.sectorsToGC < 0 && s.gcDone == never {
		s.wantGC = true
	}
	for n > 0 {
		r := alloc.Request{Key: alloc.Key{Inode: s.vol.number, Offset: 1 << 62}, Sectors: int(n), WritePoint: s.vol.number + 1}
		p, ok := s.c.AllocSectors(r)
		if !ok {
			break
		}
		s.c.Put(p.Bucket)
		n -= uint64(p.Sectors)
	}
	s.after()
}

// inPlace reports whether a write finds all of its sectors cached and need not be put elsewhere, because the sample has
// put more than its share.
func (s *Sim) inPlace(q *blktrace.Request) bool {
	m := &s.sample
	if m.share == 0 || m.written <= m.all {
		return false
	}
	missing, _ := s.lookup(q.Volume, q.Sector, uint64(q.Sectors))
	return missing == 0
}

// Estimate is what the figures of a sample say of the whole trace, of which full was counted.
func (r Share) Estimate(part, full *Figures) Figures {
	f := *part
	f.Reads, f.Writes, f.Trims = full.Reads, full.Writes, full.Trims
	f.ReadSectors, f.WriteSectors = full.ReadSectors, full.WriteSectors
	f.Bypassed, f.BypassedSectors, f.BypassReads = full.Bypassed, full.BypassedSectors, full.BypassReads
	requests := func(weight, most uint64) uint64 { return min((r.whole(weight)+weightOne/2)/weightOne, most) }
	w := &part.Weights
	// What goes past the cache may be hot and miss all the same: of that the sample's share of misses is taken.
	f.BypassReadMisses = 0
	if w.BypassReads > 0 {
		hi, lo := bits.Mul64(w.BypassReadMisses, full.BypassReads)
		f.BypassReadMisses, _ = bits.Div64(hi, lo, w.BypassReads)
	}
	f.ReadMisses = f.BypassReadMisses + requests(w.ReadMisses-w.BypassReadMisses, full.Reads-full.BypassReads)
	f.WriteMisses = requests(w.WriteMisses, full.Writes)
	f.ReadMissSectors = min(r.whole(part.ReadMissSectors), full.ReadSectors)
	f.WriteMissSectors = min(r.whole(part.WriteMissSectors), full.WriteSectors)
	for _, n := range []*uint64{
		&f.NoRoom, &f.Filled, &f.Overwritten, &f.DataSectors, &f.WrittenBack, &f.Moved, &f.ThrownAway,
		&f.JournalSectors, &f.BtreeSectors, &f.PrioSectors, &f.LiveSectors, &f.DirtySector, &f.Alloc.PrioWrites,
		&f.Alloc.Invalidated, &f.Alloc.LiveSectors, &f.Alloc.Taken, &f.Alloc.SectorsWritten,
	} {
		*n = r.whole(*n)
	}
	return f
}
