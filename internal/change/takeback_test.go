// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"bctl/internal/disk/plan"
	"bctl/internal/lab/powercut"
)

// A forgetfulDevice loses one write: what is read back there is not what was written.
type forgetfulDevice struct {
	*powercut.Device
	at int64 // that is lost; -1: none is
}

func (d *forgetfulDevice) Path() string    { return "/dev/forgetful" }
func (d *forgetfulDevice) IsBlock() bool   { return false }
func (d *forgetfulDevice) CanWrite() error { return nil }
func (d *forgetfulDevice) Arm() error      { return nil }

func (d *forgetfulDevice) WriteAt(b []byte, off int64) (int, error) {
	if off == d.at {
		d.at = -1
		return len(b), nil
	}
	return d.Device.WriteAt(b, off)
}

// What does not end as it was planned takes itself back: a device that does not hold what was written, and one that
// a last look finds wrong. Without Sure, or without an undo file, it stays, and the error says so.
func TestTakesItselfBack(t *testing.T) {
	before := bytes.Repeat([]byte{7}, 16384)
	wrong := errors.New("not as planned")
	for _, c := range []struct {
		name   string
		lost   int64
		sure   func() error
		noUndo bool
		back   bool
		err    error
	}{
		{"a write is lost", 8192, func() error { return nil }, false, true, plan.ErrReadBack},
		{"the last look", -1, func() error { return wrong }, false, true, wrong},
		{"the last look, no undo file", -1, func() error { return wrong }, true, false, wrong},
		{"nobody looks", 8192, nil, false, false, plan.ErrReadBack},
		{"all is well", -1, func() error { return nil }, false, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			stateIn(t)
			dev := &forgetfulDevice{powercut.New(bytes.NewReader(before), int64(len(before))), c.lost}
			p := new(plan.Plan)
			p.Then(plan.Write{Off: 512, Data: bytes.Repeat([]byte{1}, 1024)})
			p.Then(plan.Write{Off: 8192, Data: bytes.Repeat([]byte{2}, 512)})
			undo, err := Run(context.Background(), Options{Command: "probe", Sure: c.sure, NoUndo: c.noUndo}, Stage{Dev: dev, Plan: p})
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			now := make([]byte, len(before))
			if _, err := dev.ReadAt(now, 0); err != nil {
				t.Fatal(err)
			}
			if got := bytes.Equal(now, before); got != c.back {
				t.Errorf("as it was before: %t, want %t", got, c.back)
			}
			if c.back {
				if !strings.Contains(err.Error(), "taken back") || len(undo) > 0 {
					t.Errorf("error %v, undo files %v", err, undo)
				}
				return
			}
			for _, name := range undo {
				if _, err := os.Stat(name); err != nil {
					t.Error(err)
				}
			}
			if len(undo) == 0 && !c.noUndo {
				t.Error("no undo file is left")
			}
		})
	}
}

// A spool gives back what was put, whether it went to the file or not, and leaves nothing behind.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	s := NewSpool(dir)
	var writes []plan.Write
	b := make([]byte, 1<<20)
	for i := range 20 {
		for j := range b {
			b[j] = byte(i + j)
		}
		w, err := s.Put(plan.Write{Off: int64(i) << 20, Data: b})
		if err != nil {
			t.Fatal(err)
		}
		writes = append(writes, w)
	}
	if writes[0].From != nil || writes[19].From == nil {
		t.Error("the first is to stay in memory, the last is not")
	}
	p := new(plan.Plan)
	p.Then(writes...)
	over := p.Overlay(bytes.NewReader(make([]byte, 20<<20)))
	for i := range 20 {
		if _, err := over.ReadAt(b, int64(i)<<20); err != nil {
			t.Fatal(err)
		}
		for j := 0; j < len(b); j += 4099 {
			if b[j] != byte(i+j) {
				t.Fatalf("write %d, byte %d: %d", i, j, b[j])
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	nowhere, held := NewSpool(dir+"/is not there"), 0 // no file can be made: a few stay in memory
	for held < 20 {
		if w, err := nowhere.Put(plan.Write{Data: b}); err != nil || w.From != nil {
			break
		}
		held++
	}
	if held != spoolMost/len(b) {
		t.Errorf("without a file %d MiB stay in memory", held)
	}
}
