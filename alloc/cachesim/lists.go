// SPDX-License-Identifier: GPL-2.0-only

package cachesim

// lists holds the pieces of chunks that have several: what is written in parts of 4 KiB, or across them.
type lists struct {
	nodes []listNode // the first is not used: 0 ends a list
	free  uint32
}

type listNode struct {
	piece piece
	next  uint32
}

// parts are the pieces of one chunk, none of which overlap.
type parts struct {
	piece [chunkSize]piece
	n     int
}

func (p *parts) add(x piece) {
	p.piece[p.n] = x
	p.n++
}

// load reads a chunk's pieces. A list's nodes are given back: store makes it anew.
func (l *lists) load(w piece, to *parts) {
	to.n = 0
	switch {
	case w == 0:
	case w&listBit == 0:
		to.add(w)
	default:
		for i := uint32(w); i != 0; {
			node := &l.nodes[i]
			to.add(node.piece)
			next := node.next
			node.next, l.free = l.free, i
			i = next
		}
	}
}

// peek reads them and leaves them where they are.
func (l *lists) peek(w piece, to *parts) {
	to.n = 0
	switch {
	case w == 0:
	case w&listBit == 0:
		to.add(w)
	default:
		for i := uint32(w); i != 0; i = l.nodes[i].next {
			to.add(l.nodes[i].piece)
		}
	}
}

// store is a chunk's word for its pieces.
func (l *lists) store(p *parts) piece {
	switch p.n {
	case 0:
		return 0
	case 1:
		return p.piece[0]
	}
	head := uint32(0)
	for i := p.n - 1; i >= 0; i-- {
		at := l.free
		if at == 0 {
			if len(l.nodes) == 0 {
				l.nodes = append(l.nodes, listNode{})
			}
			at = uint32(len(l.nodes))
			l.nodes = append(l.nodes, listNode{})
		} else {
			l.free = l.nodes[at].next
		}
		l.nodes[at] = listNode{p.piece[i], head}
		head = at
	}
	return listBit | piece(head)
}
