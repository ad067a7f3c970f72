// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"fmt"
	"math"
	"math/bits"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// A sample is some of the regions of 64 KiB, chosen by a hash, and a cache with as large a share of the buckets. Regions,
// for what is read or written together has to stay together: blocks by themselves would mix in the buckets, and lru would
// tell them apart less well than it does. As in SHARDS-adj what is wrong with the count of requests in it, one hot block in or out, is taken for hits: misses are
// counted, and set against all requests of the trace.

// A Share is the part of the blocks that a sample has, in 2^-32.
type Share uint64

const (
	whole        = 1 << 32
	sampleBlock  = 8 // sectors
	sampleRegion = sampleBlock * regionBlocks
	weightOne    = 1 << 20 // a request
	wholeTrim    = 1 << 14 // sectors from which a trim is not cut: it drops what there is

	regionFactor = 0x6a09e667f3bcc909 // the root of 2, less 1
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
// are shared, and added to the share. Nothing takes time, but where
// the sample is everything: what time does is in its shortage.
func (c Config) Sample(r Share) Config {
	full := c.Alloc
	if r == whole {
		return c
	}
	short := shortageOf(&c, r)
	c.PrioWrite, c.GC, c.share, c.short = 0, 0, r, short
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
	blocks []uint32 // of the sample, by number, where they have one

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
	cfg       Config
	share     Share
	salt      uint64
	offset    uint64 // of hashes of the volume used last
	clock     Sim    // of which only the clock is used
	streams   []*streams
	tasks     tasks
	plain     bool         // the stream alone says whether an aligned request that is no trim goes past the cache
	unaligned uint64       // bits of a sector within the block
	blocks    []*numbering // of each sample; nil: blocks have no numbers

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
	f.unaligned = uint64(max(cfg.Alloc.BlockSize, 1) - 1)
	cfg.Alloc.BlockSize = 1
	f.plain = cfg.follows() && cfg.CongestedCutoff == 0 && cfg.Tasks == TasksTrace
	if r != whole && cfg.Mode != Writeback { // which goes by place
		f.blocks = []*numbering{newNumbering(), newNumbering()}
	}
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
		var bypass bool
		if f.plain && q.Task == 0 && q.Op != blktrace.Trim && (q.Sector|uint64(q.Sectors))&f.unaligned == 0 {
			bypass = v.next(nil, q.Sector, uint64(q.Sectors), f.clock.now)/sectorBytes >= f.cfg.SequentialCutoff/sectorBytes
		} else {
			bypass = f.cfg.bypasses(v, &f.tasks, q, f.clock.now)
		}
		f.count(q, bypass)
		if f.share != whole && q.Sector%sampleBlock+uint64(q.Sectors) <= sampleBlock && q.Op != blktrace.Trim {
			// Mostly it is one block, and in no sample.
			if k := f.sampleOf(q.Sector / sampleRegion); k != 0 {
				f.add(out, k, q, bypass)
			}
			continue
		}
		p := f.piece(q, bypass)
		if f.share == whole || q.Op == blktrace.Trim && q.Sectors >= wholeTrim {
			for i := range out {
				if f.blocks != nil {
					p.blocks = f.blocks[i].within(q.Volume, q.Sector, q.Sector+uint64(q.Sectors))
				}
				out[i] = append(out[i], p)
			}
			continue
		}
		f.cut(out, &p)
	}
}

// add appends a request of one block to the samples that it is in.
func (f *Feed) add(out [][]Piece, k uint, q *blktrace.Request, bypass bool) {
	for i := range out {
		if k>>i&1 == 0 {
			continue
		}
		p := f.piece(q, bypass)
		if f.blocks != nil {
			m := f.blocks[i]
			m.begin(1)
			from := len(m.room)
			m.number(blockID{q.Volume, q.Sector / sampleBlock})
			p.blocks = m.room[from:]
		}
		out[i] = append(out[i], p)
	}
}

// piece is a request that is in a sample.
func (f *Feed) piece(q *blktrace.Request, bypass bool) Piece {
	return Piece{
		Request: *q, now: f.clock.now, weight: weightOne, bypass: bypass,
		sectors: f.share.of(f.sectors), written: f.share.of(f.written),
	}
}

// sampleOf is which samples a region is in, a bit each. There are two at most: regions whose hash is low, and those whose
// is high. The hash is a multiple of the region's number: of regions in a row it takes a share that is exact, where a
// random one would take as many by chance.
func (f *Feed) sampleOf(region uint64) (k uint) {
	h := (region*regionFactor + f.offset) >> 32
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
	in, joins := uint(0), uint(0)
	for _, m := range f.blocks {
		m.begin(int(last - first + 1))
	}
	for block := first; block <= last; block++ {
		if block == first || block%regionBlocks == 0 {
			in = f.sampleOf(block / regionBlocks)
		}
		if in|joins == 0 {
			block |= regionBlocks - 1 // mostly
			continue
		}
		from, to := max(block*sampleBlock, p.Sector), min((block+1)*sampleBlock, end)
		for i := range out {
			switch {
			case in>>i&1 == 0:
				continue
			case joins>>i&1 != 0:
				o := &out[i][len(out[i])-1]
				o.Sectors += uint32(to - from)
				o.weight += weight
			default:
				piece := *p
				piece.Sector, piece.Sectors, piece.weight = from, uint32(to-from), weight
				out[i] = append(out[i], piece)
			}
			if f.blocks != nil {
				o, m := &out[i][len(out[i])-1], f.blocks[i]
				from := len(m.room) - len(o.blocks)
				m.number(blockID{p.Volume, block})
				o.blocks = m.room[from:]
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
	f.last, f.lastNumber, f.offset = f.streams[number], number, mix(uint64(number)^f.salt)
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
		c.BypassWrites += past
		if !bypass {
			f.written += n
		}
	case blktrace.Trim:
		c.Trims++
	}
}

// DoPieces replays the pieces of a sample.
func (s *Sim) DoPieces(pieces []Piece) error {
	s.fetchPieces(pieces[:min(fetchPieces, len(pieces))])
	for i := range pieces {
		p := &pieces[i]
		if i%fetchPieces == 0 {
			s.fetchPieces(pieces[min(i+fetchPieces, len(pieces)):min(i+2*fetchPieces, len(pieces))])
		}
		s.know(p)
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
		bypass := p.bypass || s.crowded()
		if !s.short.off() && !bypass && p.Op <= blktrace.Write && s.requests%max(s.sample.share.of(hotOf), 1) == 0 {
			s.f.Weights.Hot.add(p.Op == blktrace.Read, p.weight, !s.short.none(s.now))
		}
		s.request(&p.Request, bypass)
	}
	return s.c.Err()
}

// fetchPieces is of how many pieces what there is of them is fetched at a time.
const fetchPieces = 8

// hotOf is of how many requests one is of Weights.Hot: what makes a sample have more requests than its share are a few blocks
// with as much of all, or a few times that.
const hotOf = 400

// settleSample makes a sample's prios age, and its buckets fill, as all requests have it. One hot block that is written
// again and again fills many: the sample has more than its share of it, or nothing.
func (s *Sim) settleSample(p *Piece) {
	m := &s.sample
	if m.share == 0 {
		return
	}
	s.c.Rescale(int32(p.sectors - m.aged))
	if written := p.written - m.all; written > 0 {
		s.asked(written) // by all: the sample's own writes may be far from their share
	}
	m.aged, m.all = p.sectors, p.written
	for m.all >= m.written+sampleBlock {
		n := min(m.all-m.written, uint64(s.cfg.Alloc.BucketSize)) / sampleBlock * sampleBlock
		m.written += n
		s.garbage(n)
	}
}

// garbage fills n sectors with what nobody asks for.
func (s *Sim) garbage(n uint64) {
	for n > 0 && !s.short.none(s.now) {
		r := alloc.Request{Key: alloc.Key{Inode: s.vol.number, Offset: 1 << 62}, Sectors: int(n), WritePoint: s.vol.number + 1}
		p, ok := s.c.AllocSectors(r)
		if !ok {
			break
		}
		s.c.Put(p.Bucket)
		s.f.DataSectors += uint64(p.Sectors)
		n -= uint64(p.Sectors)
	}
	s.after()
}

// inPlace reports whether a write finds all of its sectors cached and need not be put elsewhere, because the sample has
// put more than its share.
func (s *Sim) inPlace(q *blktrace.Request) bool {
	m := &s.sample
	if m.share == 0 || m.written <= m.all || s.short.none(s.now) { // as it is the cache loses what it has
		return false
	}
	missing, _ := s.lookup(q.Volume, q.Sector, uint64(q.Sectors))
	return missing == 0
}
