// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"sync"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// pastEnds gathers the extents that reach behind the ends of their volumes: a device that shrank is one cause, however
// many extents it cut.
type pastEnds struct {
	mu   sync.Mutex
	vols map[pastKey]*pastEnd
}

type pastKey struct {
	code  finding.Code
	inode uint32
}

type pastEnd struct {
	end, sectors, dirty ondisk.Sector // sectors: those behind the end
	extents             int
}

func (p *pastEnds) add(code finding.Code, e *finding.Extent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.vols == nil {
		p.vols = map[pastKey]*pastEnd{}
	}
	key := pastKey{code, e.Key.Inode()}
	v := p.vols[key]
	if v == nil {
		v = &pastEnd{end: e.VolumeEnd}
		p.vols[key] = v
	}
	n := e.Key.Offset() - max(e.Key.Start(), e.VolumeEnd)
	v.extents++
	v.sectors += n
	if e.Key.Dirty() {
		v.dirty += n
	}
}

func (p *pastEnds) report(sink finding.Sink) {
	for key, v := range p.vols { // in any order: the collector has its own
		f := finding.About(finding.Volume{Inode: key.inode}, key.code, "%d extents with %d sectors behind its end at sector %d, %d of them dirty",
			v.extents, v.sectors, v.end, v.dirty)
		sink(f.Range(v.end, v.sectors))
	}
}
