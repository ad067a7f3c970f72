// SPDX-License-Identifier: GPL-2.0-only

// Package journal reads the ring of journal buckets: every entry it holds, the ones the kernel would find, and
// what a replay would see.
//
//	bucket i   | jset | jset | jset | leftovers of an older lap | zeroes ...
//	           each rounded up to blocks; a bucket ends at its first bad block
//	ring       seqs rise from bucket to bucket, with one wrap; the next entry goes directly behind the newest,
//	           or to the start of the next bucket
//
// The kernel writes an entry at a time, each with a flush before it and FUA, before it acknowledges what the keys
// describe. last_seq is the oldest entry whose keys are not all in the tree yet: those from there to the newest
// are live, and are replayed at registration, oldest first. A torn write leaves a header with the set's magic and
// a bad checksum directly behind the newest entry, or in the next bucket: nobody was told that it had succeeded.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/finding"
	"bctl/internal/workers"
	"bctl/superblock"
)

// Entry is where a valid jset stands.
type Entry struct {
	Seq, LastSeq uint64
	Csum         uint64
	Ring         int           // index of its journal bucket
	Offset       ondisk.Sector // in the bucket
	Bytes        int64
	Behind       bool // behind a bad block of its bucket: the kernel does not read it
}

// A stop is what a bucket ends at.
type stop = Damaged

// Log is the journal of one cache.
type Log struct {
	Entries []Entry // all valid ones, by bucket and offset
	Live    []Entry // what the kernel replays, oldest first; the last is the newest
	Newest  *ondisk.Jset
	NLive   int // journal buckets that hold live entries

	r     io.ReaderAt
	g     *superblock.Geometry
	stops []stop
	sink  finding.Sink
}

// ErrNone says that no bucket yields an entry: nothing leads to the rest of the metadata.
var ErrNone = errors.New("no journal entries found")

// Scan reads the whole ring with up to workers buckets at a time, and reports what is wrong with it.
// Errors: ErrNone. What cannot be read is a finding.
func Scan(r io.ReaderAt, g *superblock.Geometry, workers int, sink finding.Sink) (*Log, error) {
	l := &Log{r: r, g: g, sink: sink}
	buckets := l.scanRing(workers)
	var chains [][]Entry
	for _, b := range buckets {
		var chain []Entry
		for _, e := range b.entries {
			l.Entries = append(l.Entries, e)
			if !e.Behind {
				chain = append(chain, e)
			}
		}
		l.stops = append(l.stops, b.stops...)
		chains = append(chains, chain)
	}
	l.Live = kernelRead(chains)
	if len(l.Live) == 0 {
		l.noEntries()
		return l, ErrNone
	}
	newest, err := l.Read(l.Live[len(l.Live)-1])
	if newest == nil {
		return l, fmt.Errorf("%w: %w", ErrNone, err)
	}
	l.Newest = newest
	l.judge(chains)
	return l, nil
}

// Read reads an entry that Scan found. Where its keys do not parse (ErrKey) it returns those before the bad one
// with the error.
func (l *Log) Read(e Entry) (*ondisk.Jset, error) {
	b := make([]byte, e.Bytes)
	if err := full.ReadAt(l.r, b, l.sector(e).Bytes()); err != nil {
		return nil, err
	}
	return decode(b, l.g.SetMagic)
}

func (l *Log) sector(e Entry) ondisk.Sector { return l.start(e.Ring) + e.Offset }
func (l *Log) start(ring int) ondisk.Sector { return l.g.Start(l.bucket(ring)) }
func (l *Log) bucket(ring int) ondisk.Bucket {
	return l.g.FirstBucket + ondisk.Bucket(ring)
}

// Sector is where on the device e stands.
func (l *Log) Sector(e Entry) ondisk.Sector { return l.sector(e) }

// Subject names e in findings.
func (l *Log) Subject(e Entry) finding.Subject {
	return finding.JournalEntry{Seq: e.Seq, Bucket: l.bucket(e.Ring), Sector: l.sector(e)}
}

// decode is DecodeJset, but keeps the keys before a malformed one.
func decode(b []byte, setMagic uint64) (*ondisk.Jset, error) {
	j, err := ondisk.DecodeJset(b, setMagic)
	if !errors.Is(err, ondisk.ErrKey) {
		return j, err
	}
	return ondisk.SalvageJset(b), err
}

// ringBucket is what one journal bucket holds.
type ringBucket struct {
	entries []Entry
	stops   []stop
}

func (l *Log) scanRing(count int) []ringBucket {
	out := make([]ringBucket, l.g.NJournal)
	workers.Each(context.Background(), max(1, count), len(out), func() func(int) {
		w := new(window)
		return func(i int) { out[i] = l.scanBucket(i, w) }
	})
	return out
}

// lostBytes is how far behind the last entry of a bucket a lost one is sought: an entry takes at most MaxJsetBytes,
// so many destroyed ones would have to stand between them. It bounds the reading of buckets that are larger.
const lostBytes = 1 << 20

// sparse is a reader that knows where it holds nothing but zeroes.
type sparse interface {
	// Data is the first run of bytes at off or behind that may hold anything else. It is empty where there is none.
	Data(off int64) (from, to int64)
}

// hole reports whether a bucket of the ring is known to hold nothing but zeroes.
func (l *Log) hole(ring int) bool {
	s, ok := l.r.(sparse)
	if !ok {
		return false
	}
	data, _ := s.Data(l.start(ring).Bytes())
	return data >= l.start(ring+1).Bytes()
}

// scanBucket tries every block, also behind a bad one, so that lost entries show. Where there are only zeroes there are
// none.
func (l *Log) scanBucket(ring int, w *window) (out ringBucket) {
	if l.hole(ring) {
		return out
	}
	block := l.g.BlockSectors
	w.reset(l.r, l.start(ring).Bytes(), l.g.BucketSectors.Bytes())
	behind := false
	seen := ondisk.Sector(0) // the end of the last entry
	for off := seen; off < l.g.BucketSectors && (off-seen).Bytes() < lostBytes; {
		b, err := w.at(off.Bytes(), ondisk.MaxJsetBytes)
		if err != nil {
			l.emit(finding.JRUnread, l.block(Entry{Ring: ring, Offset: off}), "%v", err)
			break
		}
		e, err := probe(b, l.g.SetMagic)
		e.Ring, e.Offset, e.Behind = ring, off, behind
		switch {
		case err == nil:
			out.entries = append(out.entries, e)
			off += l.g.Blocks(e.Bytes)
			seen = off
			continue
		case !errors.Is(err, ondisk.ErrMagic):
			out.stops = append(out.stops, stop{e, err})
		}
		behind = true
		off += block
	}
	return out
}

// probe looks for a jset at the start of b. Its numbers come back with an error too, as far as there are any.
func probe(b []byte, setMagic uint64) (Entry, error) {
	if !ondisk.JsetHasMagic(b, setMagic) {
		return Entry{}, ondisk.ErrMagic
	}
	err := ondisk.CheckJset(b, setMagic)
	j := ondisk.JsetNumbers(b)
	return Entry{Seq: j.Seq, LastSeq: j.LastSeq, Csum: j.Csum, Bytes: ondisk.JsetSize(b)}, err
}

// window reads a bucket in large pieces and hands out small ones.
type window struct {
	r           io.ReaderAt
	start, size int64
	buf         []byte
	from, to    int64 // what buf holds, relative to start
}

const windowBytes = 1 << 20

func (w *window) reset(r io.ReaderAt, start, size int64) {
	w.r, w.start, w.size, w.from, w.to = r, start, size, 0, 0
}

// at returns up to n bytes from off on, fewer at the bucket's end.
func (w *window) at(off, n int64) ([]byte, error) {
	n = min(n, w.size-off)
	if off < w.from || off+n > w.to {
		if int64(len(w.buf)) < min(windowBytes, w.size) {
			w.buf = make([]byte, min(windowBytes, w.size))
		}
		w.from, w.to = off, min(off+windowBytes, w.size)
		if err := full.ReadAt(w.r, w.buf[:w.to-w.from], w.start+off); err != nil {
			w.from, w.to = 0, 0
			return nil, err
		}
	}
	return w.buf[off-w.from:][:n], nil
}

// kernelRead is bch_journal_read: it probes by golden-ratio steps until a bucket yields an entry, searches by
// halves to the right of it for the last bucket that raises the newest seq, then reads backwards until a bucket
// adds nothing. Its list is what is replayed.
func kernelRead(chains [][]Entry) []Entry {
	n := len(chains)
	var list replayList
	read := make([]bool, n)
	get := func(b int) (added bool) {
		read[b] = true
		for _, e := range chains[b] {
			added = list.add(e) || added
		}
		return added
	}
	l := -1
	for i := uint32(0); int(i) < n; i++ {
		b := int(i * 2654435769 % uint32(n))
		if read[b] {
			break
		}
		if get(b) {
			l = b
			break
		}
	}
	for b := 0; l < 0 && b < n; b++ {
		if !read[b] && get(b) {
			l = b
		}
	}
	if l < 0 {
		return nil
	}
	m, r := l, l+1
	for r < n && !read[r] {
		r++
	}
	for l+1 < r {
		newest := list.newest()
		m = (l + r) >> 1
		get(m)
		if newest != list.newest() {
			l = m
		} else {
			r = m
		}
	}
	for l = m; ; {
		if l == 0 {
			l = n
		}
		l--
		if l == m {
			break
		}
		if !read[l] && !get(l) {
			break
		}
	}
	return list.all()
}
