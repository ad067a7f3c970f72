// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bytes"
	"io"
	"os"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/plan"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

// imageOf is a kernel-made cache, in a device that can lose its power.
func imageOf(t *testing.T, name string) *powercut.Device {
	t.Helper()
	f, err := os.Open(imgtest.Open(t, name).Cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return powercut.New(f, info.Size())
}

// A formatDevice that can lose its power.
type cutDevice struct{ *powercut.Device }

func (cutDevice) Path() string        { return "/dev/cut" }
func (cutDevice) IsBlock() bool       { return false }
func (cutDevice) CanWrite() error     { return nil }
func (cutDevice) Arm() error          { return nil }
func (cutDevice) LogicalBlock() int   { return 512 }
func (cutDevice) PreferredBlock() int { return 4096 }
func (cutDevice) Close() error        { return nil }

// formatted plans what format does to one cache device.
func formatted(t *testing.T, dev *powercut.Device, o FormatOptions) *plan.Plan {
	t.Helper()
	target := &Formatted{Path: "cache", Size: dev.Size(), dev: cutDevice{dev}}
	o.WipeBcache, o.DiscardDirty, o.NewUUID = true, true, func() ondisk.UUID { return ondisk.UUID{7} }
	o.Super.BlockSectors, o.Super.BucketSectors, o.Super.DataOffset = 8, 256, 16
	if o.Super.SetUUID.IsZero() {
		o.Super.SetUUID = ondisk.UUID{9}
	}
	if err := target.plan(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := o.planSet([]*Formatted{target}); err != nil {
		t.Fatal(err)
	}
	p, err := target.order()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// superOn is the superblock that the kernel would take, or nil.
func superOn(t *testing.T, dev io.ReaderAt) *ondisk.Super {
	t.Helper()
	b := make([]byte, ondisk.SuperSize)
	if _, err := dev.ReadAt(b, ondisk.SuperOffset); err != nil {
		t.Fatal(err)
	}
	s, err := ondisk.DecodeSuper(b)
	if err != nil {
		t.Fatal(err)
	}
	if s.Magic != ondisk.SuperMagic || s.Csum != s.Checksum() {
		return nil
	}
	return s
}

// rest is all that p writes but the superblock, as it stands on dev.
func rest(t *testing.T, p *plan.Plan, dev io.ReaderAt) []byte {
	t.Helper()
	var out []byte
	for w := range p.Writes() {
		if w.Off != ondisk.SuperOffset {
			b := make([]byte, w.Len())
			if _, err := dev.ReadAt(b, w.Off); err != nil {
				t.Fatal(err)
			}
			out = append(out, b...)
		}
	}
	return out
}

// Wherever the power goes in format, and in the undo of one that was done or cut, there is the old device, untouched; or
// no superblock; or the new device, complete.
func TestFormatCuts(t *testing.T) {
	image := imageOf(t, "writeback-crash")
	old := superOn(t, image)
	for name, o := range map[string]FormatOptions{
		"same set":           {Caches: []string{"cache"}, SameSet: true, Super: superblock.FormatOptions{SetUUID: old.SetUUID}},
		"same set, with all": {Caches: []string{"cache"}, SameSet: true, Init: true, Super: superblock.FormatOptions{SetUUID: old.SetUUID}},
		"new set":            {Caches: []string{"cache"}},
		"new set, with all":  {Caches: []string{"cache"}, Init: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := image.Fork()
			p := formatted(t, base, o)
			done := base.Fork()
			var file bytes.Buffer
			if err := p.SaveUndo(&file, base, plan.Head{}); err != nil {
				t.Fatal(err)
			}
			if err := p.Run(done); err != nil {
				t.Fatal(err)
			}
			u, err := plan.OpenUndo(bytes.NewReader(file.Bytes()), int64(file.Len()))
			if err != nil {
				t.Fatal(err)
			}
			was, is := rest(t, p, base), rest(t, p, done)
			made := superOn(t, done)
			if made == nil || made.UUID == old.UUID || o.SameSet && bytes.Equal(was, is) {
				t.Fatal("it is not formatted")
			}
			seen := map[string]int{}
			judge := func(state string, dev io.ReaderAt) {
				s := superOn(t, dev)
				switch {
				case s == nil:
					seen["none"]++
				case s.UUID == old.UUID && bytes.Equal(rest(t, p, dev), was):
					seen["old"]++
				case s.UUID == made.UUID && bytes.Equal(rest(t, p, dev), is):
					seen["new"]++
				default:
					t.Errorf("%s: superblock %v over something else", state, s.UUID)
				}
			}
			for state, dev := range done.Cuts(base, 4) {
				judge(state, dev)
				back := dev.Fork()
				if err := u.Check(back); err != nil {
					t.Fatalf("%s: %v", state, err)
				}
				if err := u.Run(back); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(rest(t, p, back), was) || superOn(t, back) == nil || superOn(t, back).UUID != old.UUID {
					t.Errorf("%s: undone, not everything is back", state)
				}
				if state == "all" || seen["none"]%9 == 1 {
					for second, dev := range back.Cuts(dev, 3) {
						judge(state+"; undo, "+second, dev)
					}
				}
			}
			for _, what := range []string{"none", "old", "new"} {
				if seen[what] == 0 {
					t.Errorf("no cut left %s: %v", what, seen)
				}
			}
		})
	}
}

// The cut test sees what it is for: an order without the step that takes the old superblock away, or that puts the new
// one first, leaves what must not be.
func TestFormatCutsFindBadOrder(t *testing.T) {
	base := imageOf(t, "writeback-crash")
	old := superOn(t, base)
	good := formatted(t, base, FormatOptions{Caches: []string{"cache"}, SameSet: true, Super: superblock.FormatOptions{SetUUID: old.SetUUID}})
	last := len(good.Steps) - 1
	for name, p := range map[string]*plan.Plan{
		"the old one stays": {Steps: good.Steps[1:]},
		"the new one first": {Steps: [][]plan.Write{good.Steps[last], good.Steps[1]}},
		"one flush":         {Steps: [][]plan.Write{append(append([]plan.Write{}, good.Steps[1]...), good.Steps[last]...)}},
	} {
		done := base.Fork()
		if err := p.Run(done); err != nil {
			t.Fatal(err)
		}
		was, is := rest(t, good, base), rest(t, good, done)
		bad := 0
		for _, dev := range done.Cuts(base, 4) {
			s := superOn(t, dev)
			if s != nil && (s.UUID == old.UUID && !bytes.Equal(rest(t, good, dev), was) || s.UUID != old.UUID && !bytes.Equal(rest(t, good, dev), is)) {
				bad++
			}
		}
		if bad == 0 {
			t.Errorf("%s: no cut shows it", name)
		}
	}
}
