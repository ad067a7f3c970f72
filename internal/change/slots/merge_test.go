// SPDX-License-Identifier: GPL-2.0-only

package slots

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

func open(t *testing.T, dev *powercut.Device) *inspect.Cache {
	t.Helper()
	s, err := superblock.Read(dev)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inspect.Open(context.Background(), dev, s, inspect.Options{Size: dev.Size(), Workers: 1, Sink: func(f finding.Finding) {
		if f.Severity == finding.Damage && f.Code != finding.EXShared { // scattered shares on purpose
			t.Errorf("%s %s", f.Code, f.Message)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A sector is what the cache holds of one sector of a volume: where it stands, and whether it is dirty. The zero value
// is nothing.
type sector struct {
	at    ondisk.Sector
	dirty bool
}

func sectors(t *testing.T, c *inspect.Cache, inode uint32) map[ondisk.Sector]sector {
	t.Helper()
	out := map[ondisk.Sector]sector{}
	for e, err := range c.Extents(inspect.OfVolume(inode)) {
		if err != nil {
			t.Fatal(err)
		}
		for i := ondisk.Sector(0); e.Live && i < e.Size(); i++ {
			out[e.Start()+i] = sector{e.Ptr[0].Offset() + i, e.Dirty()}
		}
	}
	return out
}

// scattered is a cache whose first volume's extents were dealt out: some stay, some belong to inode 5 at the same place
// or a little beside it, and some to both, with other data.
func scattered(t *testing.T, seed uint64) *powercut.Device {
	t.Helper()
	f, err := os.Open(imgtest.Open(t, "writeback-crash").Cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	dev := powercut.New(f, info.Size())
	c := open(t, dev)
	rng := rand.New(rand.NewPCG(seed, 1))
	var old, young []ondisk.Bkey
	var end ondisk.Sector // of young
	for e, err := range c.Extents(inspect.OfVolume(0)) {
		if err != nil {
			t.Fatal(err)
		}
		k := e.Bkey
		if !e.Live || rng.IntN(4) == 0 && len(old) > 0 {
			continue
		}
		old = append(old, k)
		if rng.IntN(3) == 0 {
			continue
		}
		k = old[rng.IntN(len(old))] // another's data, or its own
		if rng.IntN(3) == 0 {
			k = e.Bkey
		}
		at := e.Start() + ondisk.Sector(rng.IntN(3))*8
		k.Low = uint64(max(at, end) + k.Size())
		k.SetInode(5)
		k.SetDirty(rng.IntN(2) == 0)
		end = k.Offset()
		young = append(young, k)
	}
	table := append(c.UUIDs[:0:0], c.UUIDs...)
	table[0] = ondisk.UUIDEntry{UUID: ondisk.InvalidUUID, Invalidated: 1, FirstReg: 1, LastReg: 1}
	table[5] = ondisk.UUIDEntry{UUID: ondisk.UUID{5}, FirstReg: 1, LastReg: 1}
	p, err := commit(c, table, func(yield func(*ondisk.Bkey, error) bool) {
		for _, list := range [][]ondisk.Bkey{old, young} {
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(dev); err != nil {
		t.Fatal(err)
	}
	return dev
}

// model is the merge as one would do it with a sheet of paper: a sector at a time.
func model(was, is map[ondisk.Sector]sector, same func(a, b ondisk.Sector) bool, prefer Prefer) (out map[ondisk.Sector]sector, conflicts int) {
	out = map[ondisk.Sector]sector{}
	for at, s := range is {
		out[at] = s
	}
	for at, s := range was {
		now, both := is[at]
		switch {
		case !s.dirty:
		case !both:
			out[at] = s
		case !same(s.at, now.at):
			conflicts++
			if prefer == PreferOld || prefer == PreferDirty && !is[at].dirty {
				out[at] = s
			}
		}
	}
	return out, conflicts
}

// Merging is what a model of single sectors says, whichever data are preferred; without a preference it is refused.
func TestMerge(t *testing.T) {
	dev := scattered(t, 1)
	c := open(t, dev)
	was, is := sectors(t, c, 0), sectors(t, c, 5)
	content := func(at ondisk.Sector) (b [512]byte) {
		if _, err := dev.ReadAt(b[:], at.Bytes()); err != nil {
			t.Fatal(err)
		}
		return b
	}
	same := func(a, b ondisk.Sector) bool { return a == b || content(a) == content(b) }
	super := &ondisk.Super{Version: ondisk.VersionBacking, UUID: ondisk.UUID{5}, SetUUID: c.Super.SetUUID}
	super.SetState(ondisk.StateClean)
	o := Relink{Inode: 0, Super: super, End: 1 << 40, Merge: true, Now: 7}
	l, err := Link(c, o)
	if !errors.Is(err, ErrConflict) || l.Plan != nil || len(l.Conflicts) == 0 {
		t.Fatalf("%v, %d conflicts", err, len(l.Conflicts))
	}
	for _, prefer := range []Prefer{PreferOld, PreferNew, PreferDirty} {
		want, conflicts := model(was, is, same, prefer)
		o.Prefer = prefer
		l, err := Link(c, o)
		if err != nil {
			t.Fatal(err)
		}
		differing := 0
		for _, x := range l.Conflicts {
			differing += int(x.Differing)
		}
		if differing != conflicts || conflicts < 50 || len(want) < 1000 || l.Inode != 5 || l.Super == nil || l.Super.State() != ondisk.StateDirty {
			t.Errorf("prefer %d: %d sectors in conflict, want %d of %d; %+v", prefer, differing, conflicts, len(want), l.Super)
		}
		after := dev.Fork()
		if err := l.Plan.Run(after); err != nil {
			t.Fatal(err)
		}
		now := open(t, after)
		got := sectors(t, now, 5)
		if len(got) != len(want) || len(sectors(t, now, 0)) > 0 {
			t.Errorf("prefer %d: %d sectors, want %d", prefer, len(got), len(want))
		}
		for at, s := range want {
			if g := got[at]; content(g.at) != content(s.at) || g.dirty != s.dirty && !same(was[at].at, is[at].at) {
				t.Fatalf("prefer %d: sector %d is %+v, want %+v", prefer, at, g, s)
			}
		}
	}
}

// Wherever the power goes, the slots and the keys are as before or as after.
func TestLinkCut(t *testing.T) {
	dev := scattered(t, 2)
	c := open(t, dev)
	super := &ondisk.Super{Version: ondisk.VersionBacking, UUID: ondisk.UUID{5}, SetUUID: c.Super.SetUUID}
	super.SetState(ondisk.StateDirty)
	l, err := Link(c, Relink{Super: super, End: 1 << 40, Merge: true, Prefer: PreferNew})
	if err != nil {
		t.Fatal(err)
	}
	after := dev.Fork()
	if err := l.Plan.Run(after); err != nil {
		t.Fatal(err)
	}
	before, want := len(sectors(t, c, 5)), len(sectors(t, open(t, after), 5))
	olds, news := 0, 0
	for state, cut := range after.Cuts(dev, 2) {
		now := open(t, cut)
		was, is := len(sectors(t, now, 0)), len(sectors(t, now, 5))
		switch {
		case was > 0 && is == before:
			olds++
		case was == 0 && is == want:
			news++
		default:
			t.Fatalf("%s: %d and %d sectors", state, was, is)
		}
	}
	if olds < 3 || news < 1 {
		t.Errorf("%d states before, %d after", olds, news)
	}
}

// What is not known whole is not made anew.
func TestUnknown(t *testing.T) {
	dev := scattered(t, 3)
	c := open(t, dev)
	c.Chain.Intact = false
	if _, err := Purge(c, []uint32{0}, true, nil); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := Link(c, Relink{Super: new(ondisk.Super)}); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := Purge(open(t, dev), []uint32{0}, false, nil); !errors.Is(err, ErrDirty) {
		t.Error(err)
	}
	if _, err := change.Begin(c); err != nil {
		t.Error(err)
	}
}
