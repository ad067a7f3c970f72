// SPDX-License-Identifier: GPL-2.0-only

package powercut

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func filled(v byte, n int) []byte { return bytes.Repeat([]byte{v}, n) }

// show writes a device's sectors as the letters they are filled with.
func show(t *testing.T, d *Device) string {
	t.Helper()
	b := make([]byte, d.Size())
	if _, err := d.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for i := 0; i < len(b); i += Sector {
		s.WriteByte(b[i])
	}
	return s.String()
}

// Of two writes, a flush and a third one, exactly the states that a drive may leave are shown.
func TestCuts(t *testing.T) {
	base := New(bytes.NewReader(filled('.', 6*Sector)), 6*Sector)
	d := base.Fork()
	for _, do := range []func() error{
		func() error { _, err := d.WriteAt(filled('a', 2*Sector), 0); return err },
		func() error { _, err := d.WriteAt(filled('b', 2*Sector), 2*Sector); return err },
		d.Sync,
		func() error { _, err := d.WriteAt(filled('c', 2*Sector), 4*Sector); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]bool{}
	for _, state := range d.Cuts(base, 100) {
		got[show(t, state)] = true
	}
	// Before the flush any sectors of a and b; after it those of c.
	if len(got) != 16+3 {
		t.Errorf("%d states: %v", len(got), got)
	}
	for _, want := range []string{"......", "aa....", "..bb..", "a.....", ".abb..", "aabb..", "aabbc.", "aabb.c", "aabbcc"} {
		if !got[want] {
			t.Errorf("%s is missing", want)
		}
	}
	for s := range got {
		if strings.Contains(s, "c") && !strings.HasPrefix(s, "aabb") {
			t.Errorf("%s: c is there, and what was flushed before it is not", s)
		}
	}
	if show(t, base) != "......" || show(t, d) != "aabbcc" {
		t.Error("a state changed its origin")
	}
}

func TestCutsOfNothing(t *testing.T) {
	base := New(bytes.NewReader(filled('.', Sector)), Sector)
	n := 0
	for range base.Fork().Cuts(base, 10) {
		n++
	}
	if n != 1 {
		t.Errorf("%d states of a device that nobody wrote to", n)
	}
}

func TestWritesAreSectors(t *testing.T) {
	d := New(bytes.NewReader(filled('.', 4*Sector)), 4*Sector)
	for _, c := range []struct{ off, n int64 }{{1, Sector}, {0, 100}, {-Sector, Sector}, {3 * Sector, 2 * Sector}} {
		if _, err := d.WriteAt(make([]byte, c.n), c.off); err == nil {
			t.Errorf("%d bytes at %d: taken", c.n, c.off)
		}
	}
	if len(d.Events()) != 0 {
		t.Error("a refused write is an event")
	}
	if n, err := d.ReadAt(make([]byte, Sector), 4*Sector-100); n != 100 || err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("read past the end: %d, %v", n, err)
	}
}
