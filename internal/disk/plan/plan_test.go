// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"bctl/internal/disk/full"
	"bctl/internal/lab/powercut"
)

const size = 64 << 10

// device holds a letter in each sector.
func device() *powercut.Device {
	b := make([]byte, size)
	for i := range b {
		b[i] = 'a' + byte(i/powercut.Sector%26)
	}
	return powercut.New(bytes.NewReader(b), size)
}

func contents(t *testing.T, d Device) []byte {
	t.Helper()
	b := make([]byte, d.Size())
	if err := full.ReadAt(d, b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// twoSteps writes three blocks and then the one that refers to them; two regions show whether anybody was there since,
// one of them written itself.
func twoSteps() *Plan {
	p := new(Plan)
	block := func(off int64, n int, v byte) Write {
		return Write{Off: off, Data: bytes.Repeat([]byte{v}, n), What: fmt.Sprintf("block %c", v)}
	}
	p.Then(block(8192, 4096, '1'), block(32768, 8192, '2'), block(16384, 512, '3'))
	p.Then()
	p.Then(block(4096, 1024, '4'))
	p.Watched = []Region{{4096, 1024}, {5120, 512}}
	return p
}

func TestRunInOrder(t *testing.T) {
	d := device()
	if err := twoSteps().Run(d); err != nil {
		t.Fatal(err)
	}
	var order strings.Builder
	for _, e := range d.Events() {
		if e.Flush {
			order.WriteString("|")
		} else {
			order.WriteByte(e.Data[0])
		}
	}
	if order.String() != "123|4|" {
		t.Errorf("events %s", &order)
	}
}

// liar does something else than it was told.
type liar struct {
	*powercut.Device
	fail string
	n    int // of the write that fails
}

var errIO = errors.New("input/output error")

func (l *liar) WriteAt(b []byte, off int64) (int, error) {
	l.n--
	switch {
	case l.n == 0 && l.fail == "write":
		return 0, errIO
	case l.n == 0 && l.fail == "forgets":
		return len(b), nil
	case l.n == 0 && l.fail == "flips":
		b = slices.Clone(b)
		b[len(b)-1] ^= 1
	}
	return l.Device.WriteAt(b, off)
}

func (l *liar) Sync() error {
	if l.fail == "sync" {
		return errIO
	}
	return l.Device.Sync()
}

// A step that is not on the medium as it was written is not followed by the next.
func TestRunStopsAtFailure(t *testing.T) {
	for _, c := range []struct {
		fail string
		n    int
		want error
		says string
	}{
		{"write", 2, errIO, "block 2"},
		{"write", 4, errIO, "block 4"},
		{"forgets", 1, ErrReadBack, "block 1"},
		{"flips", 3, ErrReadBack, "block 3"},
		{"flips", 4, ErrReadBack, "block 4"},
		{"sync", 0, errIO, ""},
	} {
		d := &liar{device(), c.fail, c.n}
		err := twoSteps().Run(d)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %d: %v", c.fail, c.n, err)
		}
		if c.n < 4 && slices.ContainsFunc(d.Events(), func(e powercut.Event) bool { return e.Off == 4096 && len(e.Data) == 1024 }) {
			t.Errorf("%s %d: the last step was written", c.fail, c.n)
		}
	}
}

// saved is what goes through an undo file.
func saved(t *testing.T, p *Plan, d Device) *Undo {
	t.Helper()
	u, err := opened(file(t, p, d))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func opened(file []byte) (*Undo, error) { return OpenUndo(bytes.NewReader(file), int64(len(file))) }

func file(t testing.TB, p *Plan, d Device) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.SaveUndo(&b, d, Head{Command: "test", Device: "dev", Created: "2026-01-01T00:00:00Z"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// From wherever a plan was cut, torn writes too, undoing brings everything back; and from wherever that was cut, it
// does so when it is run again.
func TestUndoFromEveryCut(t *testing.T) {
	base := device()
	want := contents(t, base)
	u := saved(t, twoSteps(), base)
	done := base.Fork()
	if err := twoSteps().Run(done); err != nil {
		t.Fatal(err)
	}
	states := 0
	for state, d := range done.Cuts(base, 20) {
		states++
		undone := d.Fork()
		undo(t, state, u, undone, want)
		if states%10 != 0 && state != "all" {
			continue
		}
		for second, d := range undone.Cuts(d, 5) {
			undo(t, state+"; undo, "+second, u, d.Fork(), want)
		}
	}
	if states < 90 {
		t.Errorf("%d states", states)
	}
}

func undo(t *testing.T, state string, u *Undo, d *powercut.Device, want []byte) {
	t.Helper()
	if err := u.Check(d); err != nil {
		t.Fatalf("%s: %v", state, err)
	}
	if err := u.Run(d); err != nil {
		t.Fatalf("%s: %v", state, err)
	}
	if !bytes.Equal(contents(t, d), want) {
		t.Fatalf("%s: not everything is back", state)
	}
}

// What refers to the new blocks goes before they do, with a flush between.
func TestUndoLastStepFirst(t *testing.T) {
	d := device()
	u := saved(t, twoSteps(), d)
	var at []int64
	for _, step := range u.others().Steps {
		for _, w := range step {
			at = append(at, w.Off)
		}
		at = append(at, -1)
	}
	if !slices.Equal(at, []int64{4096, -1, 16384, 32768, 8192, -1}) {
		t.Errorf("writes at %v", at)
	}
}

// Of a place that is written twice an undo file could not say what it holds after a cut: there is none.
func TestNoUndoOfOverlap(t *testing.T) {
	p := new(Plan)
	p.Then(Write{Off: 0, Data: bytes.Repeat([]byte{'1'}, 1024)})
	p.Then(Write{Off: 512, Data: bytes.Repeat([]byte{'2'}, 1024), What: "the second"})
	if err := p.SaveUndo(io.Discard, device(), Head{}); err == nil || !strings.Contains(err.Error(), "the second: written twice") {
		t.Error(err)
	}
}

func TestUndoRefusesOtherDevices(t *testing.T) {
	base := device()
	u := saved(t, twoSteps(), base)
	done := base.Fork()
	if err := twoSteps().Run(done); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		dev  func() Device
		says string
	}{
		{"a written block was written again", func() Device { d := done.Fork(); d.Put(8192+512, []byte{'x'}); return d }, "byte 8704"},
		{"its last byte", func() Device { d := done.Fork(); d.Put(32768+8191, []byte{'x'}); return d }, "byte 40448"},
		{"the watched place was written", func() Device { d := done.Fork(); d.Put(5120, []byte{'x'}); return d }, "byte 5120"},
		{"a shorter device", func() Device { return powercut.New(done, size-512) }, "bytes"},
		{"a longer device", func() Device { return powercut.New(done, size+512) }, "bytes"},
		{"an empty device", func() Device { return powercut.New(bytes.NewReader(make([]byte, size)), size) }, "byte 8192"},
	} {
		if err := u.Check(c.dev()); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, d := range map[string]Device{"as left": done, "as before": base} {
		if err := u.Check(d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any byte that is missing, changed or too much makes it no undo file.
func TestReadUndoRefuses(t *testing.T) {
	whole := file(t, twoSteps(), device())
	head := bytes.Index(whole, []byte("{"))
	end := head + bytes.IndexByte(whole[head:], '\n')
	if head < 0 || end < head {
		t.Fatalf("no head in %q", whole[:100])
	}
	spots := []int{0, 5, head - 2, head, end, end + 1, len(whole) - 1}
	for at := head; at < end; at += 7 {
		spots = append(spots, at)
	}
	for _, at := range spots {
		if _, err := opened(whole[:at]); !errors.Is(err, ErrUndoFile) {
			t.Errorf("cut at byte %d: %v", at, err)
		}
		edited := slices.Clone(whole)
		edited[at] ^= 1
		if _, err := opened(edited); !errors.Is(err, ErrUndoFile) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	if _, err := opened(append(slices.Clone(whole), 0)); !errors.Is(err, ErrUndoFile) {
		t.Errorf("a byte more: %v", err)
	}
	if _, err := opened(nil); !errors.Is(err, ErrUndoFile) {
		t.Errorf("empty: %v", err)
	}
}

// A head that nobody could have written is refused, even with the right digest.
func TestReadUndoHostileHead(t *testing.T) {
	for _, c := range []struct{ head, data string }{
		{`null`, ""},
		{`[]`, ""},
		{`{"size_bytes":1024,"blocks":[{"offset_bytes":-512,"bytes":512}]}`, strings.Repeat("x", 1024)},
		{`{"size_bytes":1024,"blocks":[{"offset_bytes":0,"bytes":-1}]}`, ""},
		{`{"size_bytes":1024,"blocks":[{"offset_bytes":1024,"bytes":512}]}`, strings.Repeat("x", 1024)},
		{`{"size_bytes":1024,"blocks":[{"offset_bytes":9223372036854775807,"bytes":512}]}`, strings.Repeat("x", 1024)},
		{`{"size_bytes":1024,"blocks":[{"offset_bytes":0,"bytes":9223372036854775807}]}`, strings.Repeat("x", 1024)},
		{`{"size_bytes":1024,"blocks":[{"offset_bytes":0,"bytes":512}]}`, strings.Repeat("x", 512)},
		{`{"size_bytes":1024,"blocks":[{"offset_bytes":0,"bytes":512}]}`, strings.Repeat("x", 1025)},
		{`{"size_bytes":1024,"watched":[{"offset_bytes":0,"bytes":4611686018427387904}]}`, ""},
		{`{"size_bytes":9223372036854775807,"watched":[{"offset_bytes":0,"bytes":4611686018427387904}]}`, ""},
	} {
		body := c.head + "\n" + c.data
		u, err := opened([]byte(undoMagic1 + sum([]byte(body)) + "\n" + body))
		if err == nil && u.Count() == 0 && len(u.Watched) == 0 && c.head == "null" {
			continue // of nothing: it fits no device
		}
		if !errors.Is(err, ErrUndoFile) {
			t.Errorf("%s: %v", c.head, err)
		}
	}
}

func TestUndoOfShortDevice(t *testing.T) {
	d := powercut.New(bytes.NewReader(nil), 8192)
	if err := twoSteps().SaveUndo(io.Discard, d, Head{}); err == nil {
		t.Error("blocks behind the device's end were read")
	}
}
