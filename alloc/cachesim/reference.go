// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"container/heap"

	"bctl/alloc/blktrace"
)

// Reference lines: caches of blocks of 4 KiB without buckets or metadata, which no kernel has. What goes past the cache
// does here too.

// ExactLRU throws away the block that was not used for longest.
type ExactLRU struct {
	slots  map[blockID]uint32
	blocks []lruBlock // 0 is the ends of the list
	most   int
	f      Figures
}

type blockID struct {
	volume uint32
	number uint64
}

type lruBlock struct {
	id           blockID
	newer, older uint32
}

// NewExactLRU has room for so many sectors.
func NewExactLRU(sectors uint64) *ExactLRU {
	return &ExactLRU{slots: map[blockID]uint32{}, blocks: make([]lruBlock, 1), most: max(1, int(sectors/sampleBlock))}
}

// DoPieces replays the pieces of a sample.
func (l *ExactLRU) DoPieces(pieces []Piece) {
	for i := range pieces {
		p := &pieces[i]
		missing := uint64(0)
		p.eachBlock(func(id blockID, sectors uint64) {
			if !l.touch(id, p) {
				missing += sectors
			}
		})
		l.f.countPiece(p, missing)
	}
}

// eachBlock calls f for each block of a piece, with the sectors of it.
func (p *Piece) eachBlock(f func(id blockID, sectors uint64)) {
	if p.Op == blktrace.Trim && p.Sectors >= wholeTrim {
		return // of what a large trim drops hardly anything would be asked for again
	}
	end := p.Sector + uint64(p.Sectors)
	for b := p.Sector / sampleBlock; b*sampleBlock < end; b++ {
		f(blockID{p.Volume, b}, min((b+1)*sampleBlock, end)-max(b*sampleBlock, p.Sector))
	}
}

// countPiece counts a piece of which some sectors are missing.
func (f *Figures) countPiece(p *Piece, missing uint64) {
	n := uint64(p.Sectors)
	switch p.Op {
	case blktrace.Read:
		f.Reads++
		f.ReadSectors += n
		f.Weights.Reads += p.weight
		if p.bypass {
			f.Weights.BypassReads += p.weight
		}
		if missing > 0 {
			f.ReadMisses++
			f.Weights.ReadMisses += p.weight
			f.ReadMissSectors += missing
			if p.bypass {
				f.Weights.BypassReadMisses += p.weight
			}
		}
	case blktrace.Write:
		f.Writes++
		f.WriteSectors += n
		f.Weights.Writes += p.weight
		if p.bypass {
			f.Weights.BypassWrites += p.weight
		}
		if missing > 0 {
			f.WriteMisses++
			f.Weights.WriteMisses += p.weight
			if p.bypass {
				f.Weights.BypassWriteMisses += p.weight
			}
			f.WriteMissSectors += missing
		}
	case blktrace.Trim:
		f.Trims++
	}
}

// touch says whether a block is there, and does what the request does to it.
func (l *ExactLRU) touch(id blockID, p *Piece) bool {
	i, found := l.slots[id]
	switch {
	case found && (p.Op == blktrace.Trim || p.bypass && p.Op == blktrace.Write):
		l.unlink(i)
		delete(l.slots, id)
		last := uint32(len(l.blocks) - 1)
		if i != last { // no holes
			b := l.blocks[last]
			l.blocks[i] = b
			l.blocks[b.newer].older, l.blocks[b.older].newer = i, i
			l.slots[b.id] = i
		}
		l.blocks = l.blocks[:last]
	case found:
		l.unlink(i)
		l.push(i)
	case p.Op == blktrace.Trim || p.bypass:
	case len(l.slots) < l.most:
		l.blocks = append(l.blocks, lruBlock{id: id})
		i = uint32(len(l.blocks) - 1)
		l.slots[id] = i
		l.push(i)
	default:
		i = l.blocks[0].newer // the oldest: the list is a ring through 0
		delete(l.slots, l.blocks[i].id)
		l.unlink(i)
		l.blocks[i].id = id
		l.slots[id] = i
		l.push(i)
	}
	return found
}

func (l *ExactLRU) unlink(i uint32) {
	b := &l.blocks[i]
	l.blocks[b.newer].older, l.blocks[b.older].newer = b.older, b.newer
}

// push makes i the newest. Through 0, older leads to the newest and newer to the oldest.
func (l *ExactLRU) push(i uint32) {
	newest := l.blocks[0].older
	l.blocks[i].older, l.blocks[i].newer = newest, 0
	l.blocks[newest].newer = i
	l.blocks[0].older = i
}

// Figures is what was counted; ResetFigures begins anew.
func (l *ExactLRU) Figures() Figures { return l.f }

// ResetFigures is described at Figures.
func (l *ExactLRU) ResetFigures() { l.f = Figures{} }

// Belady throws away the block that will not be used for longest: no cache can miss less. It has to know all requests
// first: Add takes them, Run replays them for a cache.
type Belady struct {
	pieces []Piece
	ids    map[blockID]uint32
	blocks []uint32 // of each piece in turn
	next   []uint32 // where the block is asked for again: an index of blocks, or never
	reset  int      // pieces before it are warmup
}

const neverAgain = 1<<32 - 1

// NewBelady knows nothing yet.
func NewBelady() *Belady { return &Belady{ids: map[blockID]uint32{}} }

// Add takes pieces of a sample.
func (b *Belady) Add(pieces []Piece) {
	for i := range pieces {
		p := &pieces[i]
		b.pieces = append(b.pieces, *p)
		p.eachBlock(func(id blockID, _ uint64) {
			n, ok := b.ids[id]
			if !ok {
				n = uint32(len(b.ids))
				b.ids[id] = n
			}
			b.blocks = append(b.blocks, n)
		})
	}
}

// ResetFigures says that what follows is counted.
func (b *Belady) ResetFigures() { b.reset = len(b.pieces) }

// Size is how many blocks the requests ask for.
func (b *Belady) Size() int { return len(b.blocks) }

// foresee fills in next.
func (b *Belady) foresee() {
	if b.next != nil {
		return
	}
	b.next = make([]uint32, len(b.blocks))
	last := make([]uint32, len(b.ids))
	for i := range last {
		last[i] = neverAgain
	}
	for i := len(b.blocks) - 1; i >= 0; i-- {
		b.next[i] = last[b.blocks[i]]
		last[b.blocks[i]] = uint32(i)
	}
}

// farthest is a heap of cached blocks, the one not used for longest on top. What is cached says whether an entry counts.
type farthest []struct{ next, block uint32 }

func (h farthest) Len() int { return len(h) }
func (h farthest) Less(i, j int) bool {
	return h[i].next > h[j].next || h[i].next == h[j].next && h[i].block < h[j].block
}
func (h farthest) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *farthest) Push(x any)   { *h = append(*h, x.(struct{ next, block uint32 })) }

func (h *farthest) Pop() any {
	a := *h
	x := a[len(a)-1]
	*h = a[:len(a)-1]
	return x
}

// Run replays the requests for a cache of so many sectors.
func (b *Belady) Run(sectors uint64) (f Figures) {
	b.foresee()
	most, used := max(1, int(sectors/sampleBlock)), 0
	cached := make([]uint32, len(b.ids)) // where the block is asked for next, plus 1; 0: it is not there
	var order farthest
	at := 0
	for i := range b.pieces {
		p := &b.pieces[i]
		missing := uint64(0)
		p.eachBlock(func(_ blockID, sectors uint64) {
			block, next := b.blocks[at], b.next[at]
			at++
			found := cached[block] != 0
			if !found {
				missing += sectors
			}
			switch {
			case p.Op == blktrace.Trim || p.bypass && p.Op == blktrace.Write:
				if found {
					cached[block] = 0
					used--
				}
				return
			case !found && p.bypass:
				return
			case !found:
				used++
			}
			cached[block] = next + 1
			if next == neverAgain { // it would be the first to go
				cached[block] = 0
				used--
				return
			}
			heap.Push(&order, struct{ next, block uint32 }{next, block})
			for used > most {
				top := heap.Pop(&order).(struct{ next, block uint32 })
				if cached[top.block] == top.next+1 {
					cached[top.block] = 0
					used--
				}
			}
		})
		if i >= b.reset {
			f.countPiece(p, missing)
		}
	}
	return f
}
