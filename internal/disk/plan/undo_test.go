// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bctl/internal/lab/powercut"
)

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// version1 is the undo file that bctl wrote before there was a version 2.
func version1(t testing.TB, p *Plan, d Device) []byte {
	t.Helper()
	type block struct {
		Region
		Step int `json:"step"`
	}
	var head struct {
		Head
		Blocks  []block `json:"blocks"`
		Watched []watch `json:"watched"`
	}
	head.SizeBytes = d.Size()
	var old, now []byte
	for i, step := range p.Steps {
		for _, w := range step {
			b := make([]byte, w.Len())
			if _, err := d.ReadAt(b, w.Off); err != nil {
				t.Fatal(err)
			}
			head.Blocks = append(head.Blocks, block{w.region(), i})
			old, now = append(old, b...), append(now, w.Data...)
		}
	}
	var err error
	if head.Watched, err = p.watches(d); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	body := slices.Concat(line, []byte("\n"), old, now)
	return slices.Concat([]byte(undoMagic1), []byte(sum(body)+"\n"), body)
}

// An old undo file does what a new one does, in the same order, from each state of the device.
func TestUndoVersion1(t *testing.T) {
	base := device()
	want := contents(t, base)
	u, err := opened(version1(t, twoSteps(), base))
	if err != nil {
		t.Fatal(err)
	}
	done := base.Fork()
	if err := twoSteps().Run(done); err != nil {
		t.Fatal(err)
	}
	for state, d := range done.Cuts(base, 4) {
		undo(t, state, u, d.Fork(), want)
	}
	same := saved(t, twoSteps(), base)
	if u.Count() != same.Count() || u.Bytes() != same.Bytes() || len(u.Watched) != 1 || u.Watched[0] != same.Watched[0] || u.Head.SizeBytes != same.SizeBytes {
		t.Errorf("%+v, %+v", u, same)
	}
	done.Put(8192+512, []byte{'x'})
	if err := u.Check(done); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "byte 8704") {
		t.Error(err)
	}
}

func TestUndoState(t *testing.T) {
	base := device()
	done := base.Fork()
	if err := twoSteps().Run(done); err != nil {
		t.Fatal(err)
	}
	half := base.Fork()
	half.Put(8192, bytes.Repeat([]byte{'1'}, 4096))
	for _, file := range [][]byte{file(t, twoSteps(), base), version1(t, twoSteps(), base)} {
		u, err := opened(file)
		if err != nil {
			t.Fatal(err)
		}
		for want, d := range map[State]Device{Undone: base, Partly: half, Applied: done} {
			if got, err := u.State(d); got != want || err != nil {
				t.Errorf("state %d, %v; want %d", got, err, want)
			}
		}
	}
}

// Heads and indexes that nobody could have written are refused, even with the right digest.
func TestUndoHostile(t *testing.T) {
	index := func(numbers ...uint64) (b []byte) {
		for i := 0; i < len(numbers); i += 3 {
			b = binary.LittleEndian.AppendUint64(b, numbers[i])
			b = binary.LittleEndian.AppendUint64(b, numbers[i+1])
			b = binary.LittleEndian.AppendUint32(b, uint32(numbers[i+2]))
		}
		return b
	}
	good := slices.Concat(index(512, 512, 0), make([]byte, 512+sectorSum))
	two := make([]byte, 2*(512+sectorSum))
	for _, c := range []struct {
		head string
		body []byte
		ok   bool
	}{
		{`{"size_bytes":1024,"blocks":1}`, good, true},
		{`{"size_bytes":2048,"blocks":2}`, slices.Concat(index(0, 512, 0, 1024, 512, 1), two), true},
		{`{"size_bytes":2048,"blocks":2}`, slices.Concat(index(0, 512, 1, 1024, 512, 0), two), false},
		{`{"size_bytes":2048,"blocks":2}`, slices.Concat(index(0, 512, 0, 0, 512, 1), two), true},
		{`{"size_bytes":2048,"blocks":2}`, slices.Concat(index(0, 512, 1, 0, 512, 1), two), false},
		{`{"size_bytes":2048,"blocks":2}`, slices.Concat(index(0, 512, 0, 256, 512, 1), two), false},
		{`{"size_bytes":1023,"blocks":1}`, good, false},
		{`{"size_bytes":1024,"blocks":-1}`, good, false},
		{`{"size_bytes":1024,"blocks":2}`, good, false},
		{`{"size_bytes":1024,"blocks":0}`, good, false},
		{`{"size_bytes":1024,"blocks":4611686018427387904}`, good, false},
		{`{"size_bytes":1024,"blocks":1}`, good[:len(good)-1], false},
		{`{"size_bytes":1024,"blocks":1}`, slices.Concat(good, []byte{0}), false},
		{`{"size_bytes":9223372036854775807,"blocks":1}`, slices.Concat(index(512, 1<<63-1, 0), make([]byte, 520)), false},
		{`{"size_bytes":1024,"blocks":1}`, slices.Concat(index(1<<63, 512, 0), make([]byte, 520)), false},
		{`{"size_bytes":1024,"blocks":1}`, slices.Concat(index(512, 0, 0), nil), false},
		{`{"size_bytes":1024,"blocks":1,"watched":[{"offset_bytes":0,"bytes":4611686018427387904}]}`, good, false},
		{`[]`, good, false},
		{strings.Repeat(" ", maxHead), good, false},
	} {
		file := slices.Concat([]byte(undoMagic+c.head+"\n"), c.body)
		file = append(file, sum(file)...)
		if _, err := opened(file); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUndoFile) {
			t.Errorf("%.80s with %d bytes: %v", c.head, len(c.body), err)
		}
	}
}

// Any bytes are an undo file or none; of one that is, everything it puts back is on the device.
func FuzzOpenUndo(f *testing.F) {
	f.Add(file(f, twoSteps(), device()), false)
	f.Add(version1(f, twoSteps(), device()), false)
	f.Add([]byte(undoMagic+"{}\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed { // past the digest
			b = append(slices.Clone(b), sum(b)...)
		}
		u, err := opened(b)
		if err != nil {
			if !errors.Is(err, ErrUndoFile) {
				t.Fatal(err)
			}
			return
		}
		if bad(u.others()) != nil {
			t.Fatal("blocks overlap")
		}
		few, err := openUndo(bytes.NewReader(b), int64(len(b)), 0)
		if err != nil || few.Count() != u.Count() || few.Bytes() != u.Bytes() || bad(few.others()) != nil {
			t.Fatalf("with the blocks in the file: %v, %+v; with them in memory: %+v", err, few, u)
		}
		n := 0
		for w, err := range few.Writes() {
			if n++; err != nil {
				t.Fatal(err)
			}
			if w.Off < 0 || w.Bytes < 1 || w.end() > u.SizeBytes || w.end() < w.Off {
				t.Fatalf("%+v", w)
			}
			if err := w.readAt(make([]byte, min(w.Bytes, 1)), w.Bytes-1); err != nil {
				t.Fatal(err)
			}
		}
		if n != u.Count() {
			t.Fatalf("%d blocks of %d", n, u.Count())
		}
	})
}

// letters is a source that is not in memory: a byte of it follows from its place.
type letters struct{ short int64 }

func (l letters) ReadAt(b []byte, off int64) (int, error) {
	for i := range b {
		if l.short > 0 && off+int64(i) >= l.short {
			return i, io.EOF
		}
		b[i] = byte((off + int64(i)) * 2654435761 >> 16)
	}
	return len(b), nil
}

// What is read from elsewhere is written, saved, checked and undone as what is in memory, across the windows.
func TestWriteFromSource(t *testing.T) {
	const size = 5 << 20
	base := powercut.New(letters{}, size)
	want := contents(t, base)
	const n = 2*window + 4096
	big := func(from io.ReaderAt) *Plan {
		p := new(Plan)
		p.Then(Write{Off: 8192, From: from, At: 4097, Bytes: n, What: "big"}, Zero(4<<20, 4096, "zeroes"))
		p.Then(Write{Off: 4096, Data: bytes.Repeat([]byte{1}, 512)})
		return p
	}
	u := saved(t, big(letters{}), base)
	done := base.Fork()
	if err := big(letters{}).Run(done); err != nil {
		t.Fatal(err)
	}
	after := slices.Clone(want)
	if _, err := (letters{}).ReadAt(after[8192:8192+n], 4097); err != nil {
		t.Fatal(err)
	}
	clear(after[4<<20:][:4096])
	copy(after[4096:], bytes.Repeat([]byte{1}, 512))
	if !bytes.Equal(contents(t, done), after) || !bytes.Equal(overlaid(t, big(letters{}), base), after) {
		t.Error("something else was written, or shown")
	}
	for at, says := range map[int64]string{8192 + n - 1: "at byte 2108928", 4 << 20: "at byte 4194304", 8192 + window + 5: "byte 1056768"} {
		d := done.Fork()
		d.Put(at, []byte{'x', 'y'})
		if err := u.Check(d); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), says) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	for state, d := range done.Cuts(base, 3) {
		undo(t, state, u, d.Fork(), want)
	}
	short := big(letters{short: 4097 + n - 1})
	for what, err := range map[string]error{"run": short.Run(base.Fork()), "undo file": short.SaveUndo(io.Discard, base, Head{})} {
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "big: reading what is to be written") {
			t.Errorf("%s of a source that ends early: %v", what, err)
		}
	}
}

func overlaid(t *testing.T, p *Plan, d *powercut.Device) []byte {
	t.Helper()
	b := make([]byte, d.Size())
	if n, err := p.Overlay(d).ReadAt(b, 0); n != len(b) || err != nil {
		t.Fatal(n, err)
	}
	return b
}

// A run that is interrupted stops between two writes, and what it wrote can be undone.
func TestCarryStops(t *testing.T) {
	d := device()
	want := contents(t, d)
	u := saved(t, twoSteps(), d)
	ctx, cancel := context.WithCancel(t.Context())
	var told int64
	err := twoSteps().Carry(ctx, d, func(n int64) {
		if told += n; told > 4096 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(d.Events()) != 2 {
		t.Errorf("%v after %d events", err, len(d.Events()))
	}
	undo(t, "interrupted", u, d, want)
}

// fileDevice is a sparse file.
type fileDevice struct {
	*os.File
	size int64
}

func (d *fileDevice) Size() int64 { return d.size }

// 2 GiB are written and undone in 64 MiB: a limit for the collector, and the peak that the kernel saw grows by no more.
func TestUndoOfGibibytes(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 6 GiB")
	}
	const total, block = 2 << 30, 64 << 10
	f, err := os.Create(filepath.Join(t.TempDir(), "device"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(total + 8192); err != nil {
		t.Fatal(err)
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20))
	debug.FreeOSMemory()
	before := peak(t)
	dev := &fileDevice{f, total + 8192}
	p := new(Plan)
	var step []Write
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(total / block) {
		step = append(step, Zero(4096+int64(i)*block, block, ""))
	}
	p.Then(step...)
	p.Then(Write{Off: 0, Data: make([]byte, 4096)})
	out, err := os.Create(filepath.Join(t.TempDir(), "undo"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := errors.Join(p.SaveUndo(out, dev, Head{}), p.Run(dev)); err != nil {
		t.Fatal(err)
	}
	info, err := out.Stat()
	if err != nil {
		t.Fatal(err)
	}
	u, err := OpenUndo(out, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(u.Check(dev), u.Run(dev)); err != nil {
		t.Fatal(err)
	}
	if grown := peak(t) - before; grown > 64<<20 {
		t.Errorf("it took %d MiB", grown>>20)
	}
	if u.Bytes() < total {
		t.Errorf("%d bytes", u.Bytes())
	}
}

// peak is the largest resident set so far, in bytes.
func peak(t *testing.T) int64 {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return int64(r.Maxrss) << 10
}

// Overlaps are found in far less than the square of the writes.
func TestManyWrites(t *testing.T) {
	p := new(Plan)
	for i := range 200_000 {
		p.Then(Write{Off: int64(i*7919%200_000) * 512, Data: make([]byte, 512)})
	}
	if w := bad(p); w != nil {
		t.Errorf("%+v", w)
	}
	last := Write{Off: 512 * 100_000, Data: make([]byte, 1)}
	p.Then(last)
	if w := bad(p); w == nil || len(w.Data) != 1 {
		t.Errorf("%+v", w)
	}
	o := p.Overlay(Zeroes{})
	if n := len(o.Writes()); n != 200_001 {
		t.Errorf("%d pieces", n)
	}
}

func bad(p *Plan) *Write {
	_, w := p.again()
	return w
}

// gone is a plan that takes the first block away, changes others, and puts another first block there.
func gone() *Plan {
	p := new(Plan)
	p.Then(Write{Off: 4096, Data: make([]byte, 1024)})
	p.Then(Write{Off: 8192, Data: bytes.Repeat([]byte{'2'}, 2048)})
	p.Then(Write{Off: 4096, Data: bytes.Repeat([]byte{'3'}, 1024)})
	return p
}

// A block that goes first and comes last goes first when it is undone too, and the old one comes last: so it never
// stands over what is half changed. Each of its three states is one of the device's.
func TestUndoOfBlockWrittenTwice(t *testing.T) {
	base := device()
	want := contents(t, base)
	u := saved(t, gone(), base)
	done := base.Fork()
	if err := gone().Run(done); err != nil {
		t.Fatal(err)
	}
	if s, err := u.State(done); s != Applied || err != nil {
		t.Error(s, err)
	}
	if s, err := u.State(base); s != Undone || err != nil {
		t.Error(s, err)
	}
	whole := func(state string, d *powercut.Device) {
		first, rest := contents(t, d)[4096:5120], contents(t, d)[8192:10240]
		switch {
		case bytes.Equal(first, want[4096:5120]) && !bytes.Equal(rest, want[8192:10240]),
			bytes.Equal(first, bytes.Repeat([]byte{'3'}, 1024)) && !bytes.Equal(rest, bytes.Repeat([]byte{'2'}, 2048)):
			t.Errorf("%s: a first block over the other's rest", state)
		}
	}
	for state, d := range done.Cuts(base, 5) {
		whole(state, d)
		back := d.Fork()
		undo(t, state, u, back, want)
		for second, d := range back.Cuts(d, 3) {
			if !strings.Contains(state, "torn") && !strings.Contains(state, "mixture") {
				whole(state+"; undo, "+second, d)
			}
			undo(t, state+"; undo, "+second, u, d.Fork(), want)
		}
	}
	var at []int64
	for w := range u.others().Writes() {
		at = append(at, w.Off)
	}
	if !slices.Equal(at, []int64{4096, 8192, 4096}) {
		t.Errorf("writes at %v", at)
	}
	mid := done.Fork()
	mid.Put(4096, make([]byte, 512))
	if s, err := u.State(mid); s != Partly || err != nil {
		t.Error(s, err)
	}
	mid.Put(4096, []byte{9})
	if err := u.Check(mid); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
}
