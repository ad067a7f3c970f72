// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bctl/internal/lab/powercut"
)

// streamed are five blocks in order, by a stream.
func streamed() iter.Seq2[Write, error] {
	return func(yield func(Write, error) bool) {
		for i := range int64(5) {
			if !yield(Write{Off: 8192 + i*2048, Data: bytes.Repeat([]byte{'A' + byte(i)}, 512*(1+int(i)%3))}, nil) {
				return
			}
		}
	}
}

// andThen is a plan behind them: it writes one block twice.
func andThen() *Plan {
	p := new(Plan)
	p.Then(Write{Off: 4096, Data: make([]byte, 1024)}, Write{Off: 40960, Data: bytes.Repeat([]byte{'7'}, 512)})
	p.Then(Write{Off: 4096, Data: bytes.Repeat([]byte{'8'}, 1024)})
	p.Watched = []Region{{5120, 512}}
	return p
}

func both(t *testing.T) (base, done *powercut.Device, file []byte) {
	t.Helper()
	base = device()
	var b bytes.Buffer
	if err := andThen().SaveUndoOf(streamed, &b, base, Head{Command: "test"}); err != nil {
		t.Fatal(err)
	}
	done = base.Fork()
	p := new(Plan)
	for w := range streamed() {
		p.Steps = append(p.Steps[:0], append(slices.Concat(p.Steps...), w))
	}
	if err := errors.Join(p.Run(done), andThen().Run(done)); err != nil {
		t.Fatal(err)
	}
	return base, done, b.Bytes()
}

// Blocks that stay in the file are put back as those in memory are, from every cut, and again from every cut of that: after
// all that was written behind them.
func TestUndoOfBlocksInTheFile(t *testing.T) {
	base, done, file := both(t)
	want := contents(t, base)
	u, err := openUndo(bytes.NewReader(file), int64(len(file)), 0)
	if err != nil {
		t.Fatal(err)
	}
	if u.many.n != 5 || len(u.blocks) != 3 {
		t.Fatalf("%d blocks in the file, %d in memory", u.many.n, len(u.blocks))
	}
	whole, err := opened(file)
	if err != nil {
		t.Fatal(err)
	}
	if whole.many.n != 0 || whole.Count() != u.Count() || whole.Bytes() != u.Bytes() {
		t.Errorf("%d blocks, %d bytes; %d, %d", whole.Count(), whole.Bytes(), u.Count(), u.Bytes())
	}
	for state, d := range done.Cuts(base, 10) {
		is, err := u.State(d)
		if as, other := whole.State(d); is != as || err != nil || other != nil {
			t.Fatalf("%s: state %d, %v; %d, %v", state, is, err, as, other)
		}
		back := d.Fork()
		undo(t, state, u, back, want)
		for second, d := range back.Cuts(d, 3) {
			undo(t, state+"; undo, "+second, u, d.Fork(), want)
		}
	}
	var at []int64
	for w, err := range u.Writes() {
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, w.Off)
	}
	if !slices.Equal(at, []int64{4096, 40960, 4096, 8192, 10240, 12288, 14336, 16384}) {
		t.Errorf("writes at %v", at)
	}
	done.Put(12288+512, []byte{'x'})
	if err := u.Check(done); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "byte 12800") {
		t.Error(err)
	}
}

// Blocks in order that later ones lie over are taken into memory after all.
func TestUndoOfBlocksThatOverlap(t *testing.T) {
	base := device()
	p := new(Plan)
	p.Then(Write{Off: 4096, Data: make([]byte, 512)}, Write{Off: 8192, Data: make([]byte, 512)})
	p.Then(Write{Off: 4096, Data: bytes.Repeat([]byte{'1'}, 512)})
	b := file(t, p, base)
	u, err := openUndo(bytes.NewReader(b), int64(len(b)), 0)
	if err != nil {
		t.Fatal(err)
	}
	if u.many.n != 0 || len(u.blocks) != 3 || len(u.later) != 1 {
		t.Errorf("%d blocks in the file, %d in memory", u.many.n, len(u.blocks))
	}
	done := base.Fork()
	if err := p.Run(done); err != nil {
		t.Fatal(err)
	}
	undo(t, "all", u, done, contents(t, base))
}

// Many blocks take no memory to speak of, and are put back in parts.
func TestUndoOfManyBlocks(t *testing.T) {
	const n, size = 1 << 18, 1 << 28
	dev := &ghost{size: size}
	var all Stream = func() iter.Seq2[Write, error] {
		return func(yield func(Write, error) bool) {
			one := []byte{1}
			for i := range int64(n) {
				if !yield(Write{Off: i * 1024, Data: one}, nil) {
					return
				}
			}
		}
	}
	var b bytes.Buffer
	if err := new(Plan).SaveUndoOf(all, &b, dev, Head{}); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	u, err := OpenUndo(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 || u.Count() != n {
		t.Errorf("%d blocks take %d bytes", u.Count(), grown)
	}
	dev.wrote = 0
	if err := u.Carry(context.Background(), dev, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	if dev.syncs != n/partWrites || dev.wrote != n {
		t.Errorf("%d writes, %d flushes", dev.wrote, dev.syncs)
	}
	runtime.KeepAlive(b)
}

// ghost is a device of zeroes that keeps nothing.
type ghost struct {
	Zeroes
	size         int64
	wrote, syncs int
}

func (g *ghost) WriteAt(b []byte, _ int64) (int, error) { g.wrote++; return len(b), nil }
func (g *ghost) Sync() error                            { g.syncs++; return nil }
func (g *ghost) Size() int64                            { return g.size }
