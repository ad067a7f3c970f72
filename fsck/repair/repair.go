// SPDX-License-Identifier: GPL-2.0-only

// Package repair plans how a damaged cache becomes whole again. Nothing is written here: a mender lays what it would
// write over the device in memory, and fsck looks at the result, until nothing more can be mended.
//
//	mender   takes                                                    gives
//	flips    a block that its checksum refuses by a few bits          the block as it was written, in place
//	super    sizes that the rest of the metadata prove                a superblock
//	slots    backing devices, the inodes in the tree                  the uuid bucket
//	whole    every good key of every good bset, and the journal's     a new tree, chain and uuid bucket in free buckets,
//	                                                                  and one journal entry that leads to them
//
// A mender prefers rebuilding from what is proven to patching. What it cannot keep of the user's data it says: Lost.
// In-place writes are to blocks that are damaged already, so a cut leaves them damaged or mended; everything else is
// written beside the old state, which stays until one journal entry leads away from it.
package repair

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sort"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/full"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/superblock"
)

// Options say what may be done, and how.
type Options struct {
	fsck.Options
	ScanBytes int64         // how far a lost superblock's journal is sought; 0: 64 GiB
	Rewind    uint64        // the seq of the journal entry that the cache is to be taken back to; 0: the best there is
	Spool     *change.Spool // for what is too large for memory; nil: nothing is. Plans read from it
	Hints     Hints
	Only      []finding.Code // if any, nothing else is mended, but these are if they are legal states too
	Skip      []finding.Code // what stays as it is
}

// A Lost is a run of a volume's sectors that a repair gives up.
type Lost struct {
	Device string        `json:"volume"` // its uuid; "" where no slot names one
	Label  string        `json:"label"`
	Inode  uint32        `json:"inode"`
	Offset ondisk.Sector `json:"offset_sectors"`
	Count  ondisk.Sector `json:"sectors"`
	Dirty  bool          `json:"dirty"`      // it was the only copy
	Below  bool          `json:"on_backing"` // it is what the backing device has there, in the place of dirty data that count again
	Known  bool          `json:"known"`      // false: it may have been there, the key is gone
	Code   finding.Code  `json:"code"`
}

// Result is a repair that was planned.
type Result struct {
	Before, After *fsck.Report // Before is nil where not even a superblock could be read
	Plans         []*plan.Plan // of the cache, then of each backing device; nil: nothing to write
	Lost          []Lost
	Old           ondisk.Sector // dirty data that were done with, and that a rewind makes dirty again
	Clean         ondisk.Sector // clean data that are given up: at least those of Lost
	Unread        bool          // the medium gave an error where something was to be read
	Unknown       bool          // keys may be gone of which nothing is known any more: those of unreadable nodes and entries
	Renamed       bool          // nothing tells whose some dirty data are: they are kept as a volume of their own
	Unconfirmed   []Unconfirmed // dirty data that stay, and of which it is not sure that they are current
	InDoubt       []Run         // the buckets that hold them
	Guess         string        // what was taken because nothing tells, and nothing contradicts; "": nothing
	Evidence      []string      // what was taken for what, in the order it was done

	wants func(finding.Code) bool // what was asked for; nil: all damage
}

// Work is a repair in the making: the devices, with what was mended so far laid over them.
type Work struct {
	ctx     context.Context
	o       Options
	dev     fsck.Device
	backing []fsck.Device
	over    []*plan.Overlay // of dev, then of each backing device: what is patched in place
	whole   *plan.Plan      // of dev, when its metadata are made anew
	result  Result

	failed  error                    // the last check's
	c       *inspect.Cache           // as the last check read it; nil where it is not known any more
	bad     bad                      // extents that must not stay
	fresh   bad                      // those that the last check found
	left    bad                      // those that are left out
	lost    map[Lost]bool            // what is given up, as far as is known
	node    buckets                  // nodes that nothing leads to, and that keys were taken from
	all     []finding.Finding        // that the last check found, also those that are left out
	seen    []finding.Finding        // of the state that the metadata are made from
	ends    map[uint32]ondisk.Sector // of volumes, by inode
	counted uint64                   // buckets, by the superblock of a device that has become shorter
	missed  []ondisk.Pos             // of keys that leaves lost without a trace, before anything was mended
	told    *superblock.Trace        // what the metadata tell of the superblock; nil: not looked for
	unknown bool                     // keys may be gone of which nothing is known any more

	dubious *dubious      // of what whole keeps; nil: nothing
	again   *dubious      // of what counts again since a gen was put right; likewise
	faded   ondisk.Sector // clean data that whole does not keep, of which no check tells how much there was

	astray   []uint32 // inodes with dirty data that may be of a given device which starts without them
	homeless int      // how many such devices there are

	replaced []Lost // what backing devices have in the place of dirty data that count again

	inPlace bool // the uuid slots are corrected where they stand
	moved   bool // some stood in another page of their bucket
	rebuilt bool // whole was made by mendWhole
	heavy   bool // nothing is to stay where it is
	missing bool // a live journal entry is not there
	renamed bool // dirty data whose volume has no name became a volume of their own
	older   bool // no leaves are found but by an older root
	alone   bool // the new entry does not find a place among the old ones
	slots   bool // the uuid table is damaged
	refused bool // the kernel takes nothing of the cache as it is: the newest root or the prio chain is lost
	starved bool // likewise, and there is no room: clean data make it
	full    bool // there is no bucket for what is dirty in one that the end of the device cuts

	patches, under int // how often something was patched, in all and below whole
	before         int // notes that stand from before the metadata were made anew
}

func newWork(ctx context.Context, dev fsck.Device, backing []fsck.Device, o Options) *Work {
	w := &Work{ctx: ctx, o: o, dev: dev, lost: map[Lost]bool{}}
	if o.chosen() {
		w.result.wants = w.o.Wants
	}
	w.over = append(w.over, plan.NewOverlay(dev.R))
	w.dev.R = w.over[0]
	for _, b := range backing {
		over := plan.NewOverlay(b.R)
		w.over = append(w.over, over)
		b.R = over
		w.backing = append(w.backing, b)
	}
	return w
}

// hide takes the new metadata off the device again, show lays them over it.
func (w *Work) hide() {
	if w.whole == nil {
		w.before = len(w.result.Evidence)
	}
	w.dev.R = w.over[0]
}

func (w *Work) show() { w.dev.R = w.whole.Overlay(w.over[0]) }

// saw notes what was taken for what.
func (w *Work) saw(format string, args ...any) {
	w.result.Evidence = append(w.result.Evidence, fmt.Sprintf(format, args...))
}

// once notes what was not to be had, as often as it is looked for.
func (w *Work) once(format string, args ...any) {
	if said := fmt.Sprintf(format, args...); !slices.Contains(w.result.Evidence, said) {
		w.result.Evidence = append(w.result.Evidence, said)
	}
}

// patch lays data over device i, 0 the cache, as far as it differs, in whole sectors.
func (w *Work) patch(i int, off int64, data []byte, what string) {
	w.patches++
	was := make([]byte, len(data))
	if n, err := w.over[i].ReadAt(was, off); n < len(was) && err != nil {
		was = was[:n] // it could not be read: all of it is written
	}
	same := func(at int) bool {
		return at < len(was) && at < len(data) && was[at] == data[at]
	}
	for from := 0; from < len(data); from += ondisk.SectorBytes {
		to := min(from+ondisk.SectorBytes, len(data))
		for at := from; at < to; at++ {
			if !same(at) {
				w.over[i].Put(plan.Write{Off: off + int64(from), Data: data[from:to:to], What: what})
				break
			}
		}
	}
}

// A mender looks at what is wrong and lays what mends it over the device. It reports whether it did anything.
type mender func(w *Work, rep *fsck.Report) (bool, error)

// menders, the ones that keep the most first.
var menders = []mender{mendSuper, mendFlips, mendLeapt, mendPrios, mendWhole, mendPairs}

// largeDevice is a size in bytes from which memory is minded; garbage is the percentage of it that may be waste then.
const (
	largeDevice = 64 << 30
	garbage     = 20
)

// rounds bounds how often a mended device is looked at again: each may bring what lay below a mended node to light.
const rounds = 16

// Plan looks for what is wrong with dev and its backing devices, and plans what mends it. Errors: those of fsck.Run,
// where nothing of a cache is found at all.
func Plan(ctx context.Context, dev fsck.Device, backing []fsck.Device, o Options) (*Result, error) {
	return Look(ctx, dev, backing, o).Plan()
}

// Look checks dev and its backing devices, as Plan does first: who has a report to give before he knows whether
// anything is to be repaired need not check twice.
func Look(ctx context.Context, dev fsck.Device, backing []fsck.Device, o Options) *Work {
	w := newWork(ctx, dev, backing, o)
	w.result.Before, w.failed = w.check()
	return w
}

// Report is what the look found. Errors: fsck.Run's.
func (w *Work) Report() (*fsck.Report, error) { return w.result.Before, w.failed }

// Plan plans what mends what the look found. Errors: those of fsck.Run, where nothing of a cache is found at all.
func (w *Work) Plan() (*Result, error) {
	ctx, dev := w.ctx, &w.dev
	if dev.Size >= largeDevice { // where the cache itself takes most of the memory, garbage may not take as much again
		debug.FreeOSMemory()
		defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	}
	rep, err := w.result.Before, w.failed
	w.result.Unread = w.unread(rep)
	for range rounds {
		if err == nil && (w.done(rep) || foreign(rep)) {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		did, failed := w.mend(rep)
		if failed != nil {
			return nil, failed
		}
		if !did {
			break
		}
		rep, err = w.check()
	}
	if err != nil {
		return nil, err
	}
	w.result.After = rep
	w.finish()
	w.drop()
	done := w.result // alone: whoever keeps it must not keep what was read
	return &done, nil
}

// mend lets the first mender that can do anything do it.
func (w *Work) mend(rep *fsck.Report) (did bool, err error) {
	rep = w.asked(rep)
	for _, m := range menders {
		if did, err = m(w, rep); did || err != nil {
			break
		}
	}
	return did, err
}

// finish turns what was laid over the devices into plans.
func (w *Work) finish() {
	for i, o := range w.over {
		p := planOf(o)
		if i == 0 && w.whole != nil {
			p = w.withPatches(o.Writes())
		}
		w.result.Plans = append(w.result.Plans, p)
	}
	w.result.Renamed = (w.whole != nil || w.inPlace) && w.renamed
	w.result.Unknown = w.whole != nil && w.unknown
	if d := w.again.and(w.dubious, w.whole != nil); d != nil {
		w.result.Unconfirmed, w.result.InDoubt = d.volumes(), d.runs()
	}
	for i := range w.result.Unconfirmed {
		u := &w.result.Unconfirmed[i]
		u.Device, u.Label = w.result.nameOf(u.Inode)
	}
	for l := range w.lost {
		l.Device, l.Label = w.result.nameOf(l.Inode)
		w.result.Lost = append(w.result.Lost, l)
	}
	w.result.Lost = append(w.result.Lost, w.replaced...)
	w.result.Clean = w.result.cleanLost(w.whole != nil)
	if w.whole != nil {
		w.result.Clean = max(w.result.Clean, w.faded)
	}
	lost := w.result.Lost
	// An instance of slices.SortFunc for a type takes 15 kB of the rescue build; this takes none.
	sort.Slice(lost, func(i, j int) bool {
		return cmp.Or(cmp.Compare(lost[i].Inode, lost[j].Inode), cmp.Compare(lost[i].Offset, lost[j].Offset)) < 0
	})
}

// foreign reports whether a device was written by something that knows more than bctl, or in the other byte order:
// nothing is written to it. What a superblock says of features that its checksum refuses tells nothing.
func foreign(rep *fsck.Report) bool {
	found := func(code finding.Code) bool {
		return slices.ContainsFunc(rep.Findings, func(f finding.Finding) bool { return f.Code == code })
	}
	return found(finding.SBByteOrder) || found(finding.SBFeatures) && !found(finding.SBChecksum)
}

// volumes are those of the report that knows them.
func (r *Result) volumes() []fsck.VolumeCounts {
	for _, rep := range []*fsck.Report{r.After, r.Before} {
		if rep != nil && rep.Summary != nil && len(rep.Summary.Volumes) > 0 {
			return rep.Summary.Volumes
		}
	}
	return nil
}

// nameOf is the uuid and label of a volume, as far as they are known.
func (r *Result) nameOf(inode uint32) (uuid, label string) {
	for _, v := range r.volumes() {
		if v.Inode == inode && v.UUID != nil {
			return *v.UUID, v.Label
		}
	}
	return "", ""
}

// check looks at the devices as they would be, and keeps the cache as it was read.
func (w *Work) check() (*fsck.Report, error) {
	w.drop()
	w.fresh = bad{}
	o := w.o.Options
	o.Sink = w.sink
	rep, err := fsck.Run(w.ctx, w.dev, w.backing, o)
	if rep != nil {
		w.c = rep.TakeCache()
	}
	return rep, err
}

// asIs is the cache as the last check read it, or as it is read now: what a mender has corrected before changes nothing
// that the next one asks for. Errors: inspect.Open's.
func (w *Work) asIs(s *ondisk.Super) (*inspect.Cache, error) {
	if w.c != nil {
		return w.c, nil
	}
	return inspect.Open(w.ctx, w.dev.R, s, inspect.Options{Size: w.dev.Size, Workers: w.o.Workers, Sink: quiet})
}

// drop forgets the cache, and gives the memory back where it was much: there must not be two of it.
func (w *Work) drop() {
	large := w.c != nil && w.c.Geo.NBuckets > 1<<17
	w.c = nil
	if large {
		debug.FreeOSMemory()
	}
}

// withPatches is whole together with what was corrected in place: first, for new metadata may lead to it, and it was
// damaged before. The superblock comes last. What is erased or written over needs no correction.
func (w *Work) withPatches(patches []plan.Write) *plan.Plan {
	p := &plan.Plan{Watched: w.whole.Watched}
	var first, last []plan.Write
	for _, x := range patches {
		switch {
		case x.Off < ondisk.SuperOffset+ondisk.SuperSize:
			last = append(last, x)
		case !w.whole.Touches(x.Off, x.Len()):
			first = append(first, x)
		}
	}
	p.Then(first...)
	p.Steps = append(p.Steps, w.whole.Steps...)
	p.Then(last...)
	return p
}

// super is the cache's superblock as it stands mended so far.
func (w *Work) super() (*ondisk.Super, error) { return superblock.Read(w.dev.R) }

// readAll reads n bytes, all of them or none.
func readAll(r io.ReaderAt, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	if err := full.ReadAt(r, b, off); err != nil {
		return nil, err
	}
	return b, nil
}
