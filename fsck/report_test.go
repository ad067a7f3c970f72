// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// summaryOf is a report's summary as a script reads it.
func summaryOf(t *testing.T, r *fsck.Report) map[string]any {
	t.Helper()
	b, err := json.Marshal(r.Summary)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// at digs into nested objects; a number is the place in a list.
func at(x any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch v := x.(type) {
		case map[string]any:
			x = v[key]
		case []any:
			x = v[0]
		default:
			return nil
		}
	}
	return x
}

// What could not be read is null and not complete, whatever could not.
func TestUnknownIsNotZero(t *testing.T) {
	counts := []string{"buckets.free", "buckets.clean", "buckets.dirty", "buckets.metadata", "btree.live_sectors", "volumes.0.live_sectors", "volumes.0.dirty_sectors"}
	for _, c := range []struct {
		name    string
		plant   func(s *damages.Scene)
		null    []string
		known   []string
		verdict string
	}{
		{"root", func(s *damages.Scene) { s.Flip(s.Root().Sector().Bytes()+16, 1) }, append(counts[:5:5], "btree.nodes"), []string{"journal.seq", "buckets.total"}, "unknown"},
		{"last bset", func(s *damages.Scene) {
			sets := s.Sets(s.Root())
			s.Flip((s.Root().Sector()+sets[len(sets)-1].At).Bytes()+40, 1)
		}, counts, []string{"journal.seq", "volumes.0.seen_dirty_sectors"}, "at least"},
		{"prio chain", func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+5000, 0) }, append(counts, "prio.buckets"), []string{"btree.nodes", "volumes.0.seen_dirty_sectors", "volumes.0.label"}, "of dirty data can be read; the kernel will refuse the device (PR01)"},
		{"uuid bucket", func(s *damages.Scene) { s.FailBucket(s.UUIDBucket()) }, []string{"volumes.0.label", "volumes.0.uuid", "volumes.0.flash_only"}, []string{"volumes.0.dirty_sectors", "buckets.dirty"}, "of dirty data can be read"},
		{"superblock", func(s *damages.Scene) { s.EditSuper(func(sb *ondisk.Super) { sb.BucketSize = 255 }) }, append(counts[:5:5], "buckets.total", "journal.seq", "volumes"), nil, "how much dirty data there is is unknown"},
		{"journal", func(s *damages.Scene) { s.Wipe(s.Geo.FirstBucket + ondisk.Bucket(s.Newest().Ring)) }, nil, nil, ""},
	} {
		s := scenes.Open(t, "writeback-crash")
		c.plant(s)
		r := check(t, s)
		if c.name == "journal" {
			continue // any older state may be whole: it must only not fail
		}
		if r.Complete || r.Word() != fsck.Damaged {
			t.Errorf("%s: complete %v, %s", c.name, r.Complete, r.Word())
		}
		m := summaryOf(t, r)
		for _, path := range c.null {
			if v := at(m, path); v != nil {
				t.Errorf("%s: %s is %v, want null", c.name, path, v)
			}
		}
		for _, path := range c.known {
			if v := at(m, path); v == nil {
				t.Errorf("%s: %s is null", c.name, path)
			}
		}
		if !strings.Contains(r.Verdict(), c.verdict) {
			t.Errorf("%s: %q, want %q in it", c.name, r.Verdict(), c.verdict)
		}
	}
}

// The verdict about sound devices.
func TestVerdicts(t *testing.T) {
	for _, name := range scenes.Bases(t) {
		s := scenes.Open(t, name)
		r := check(t, s)
		if !r.Complete || r.Word() != fsck.NoDamage || r.KeepAway() || r.CopyFirst() {
			t.Errorf("%s: %s, complete %v: %s", name, r.Word(), r.Complete, r.Verdict())
		}
		if d := r.Summary.Dirty(); d > 0 && !strings.Contains(r.Verdict(), "of dirty data can be read") || d == 0 && !strings.Contains(r.Verdict(), "no d") {
			t.Errorf("%s: %d dirty sectors, %q", name, d, r.Verdict())
		}
	}
	for state, want := range map[ondisk.State]string{
		ondisk.StateNone: "can be used alone", ondisk.StateClean: "holds all its data",
		ondisk.StateDirty: "do not use it alone", ondisk.StateStale: "drops those",
	} {
		s := scenes.Open(t, "writeback-dirty")
		sb := ondisk.Super{}
		b := s.Back[0].Bytes(ondisk.SuperOffset, ondisk.SuperSize)
		got, err := ondisk.DecodeSuper(b)
		if err != nil {
			t.Fatal(err)
		}
		sb = *got
		sb.SetState(state)
		sb.Csum = sb.Checksum()
		s.Back[0].Put(ondisk.SuperOffset, sb.Append(nil))
		s.Main, s.Give = s.Back[0], 0
		r := check(t, s)
		if r.Backing == nil || r.Backing.State != state.String() || *r.Backing.SetUUID != sb.SetUUID.String() || !strings.Contains(r.Verdict(), want) {
			t.Errorf("%v: %+v, %q", state, r.Backing, r.Verdict())
		}
	}
}

// A key that starts before its volume does not start near 2^64, in no form.
func TestOffsetsDoNotWrap(t *testing.T) {
	n := 0
	for _, c := range damages.Causes() {
		if c.Says != "starts before its volume" {
			continue
		}
		n++
		s := scenes.Open(t, c.Base)
		c.Plant(s)
		b, err := json.Marshal(check(t, s).Findings)
		if err != nil || strings.Contains(string(b), "1844674407370955") || !strings.Contains(string(b), `"offset_sectors":0`) {
			t.Errorf("%v: %s", err, b)
		}
	}
	if n == 0 {
		t.Error("no such cause")
	}
}

// For every damage of the catalogue there is a next step, in words that fit what is wrong.
func TestSteps(t *testing.T) {
	for _, d := range damages.Proved() {
		s := scenes.Open(t, d.Base)
		d.Plant(s)
		r := check(t, s)
		steps := r.Steps()
		if r.Result == fsck.Damaged && len(steps) == 0 {
			t.Errorf("%s: damaged, and nothing to do", d.Name)
		}
		for _, step := range steps {
			if strings.Contains(step.Command, "DEVICE") || step.Advice == "" {
				t.Errorf("%s: %+v", d.Name, step)
			}
		}
		if strings.ContainsAny(r.Verdict(), "\n%") {
			t.Errorf("%s: verdict %q", d.Name, r.Verdict())
		}
	}
	s := scenes.Open(t, "writeback-dirty")
	s.Flip(s.Root().Sector().Bytes()+5000, 6)
	orphan := scenes.Open(t, "writeback-dirty")
	orphan.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated = ondisk.InvalidUUID, 1700000000 })
	if r := check(t, orphan); r.Steps()[0].Command != "bctl fsck dev0 BACKING..." { // the device that was detached may have them
		t.Errorf("%+v", r.Steps())
	}
	orphan.Give = 1 // whoever knows that it is this device's gives them back to it
	if r := check(t, orphan); !slices.ContainsFunc(r.Steps(), func(s fsck.Step) bool { return s.Command == "bctl uuid relink --inode 0 dev0 dev1" }) {
		t.Errorf("%+v", r.Steps())
	}
	if r := check(t, s); r.Steps()[0].Command != "bctl fsck -p dev0" {
		t.Errorf("%+v", r.Steps())
	}
	stale := scenes.Open(t, "writeback-dirty")
	stale.Give = 1
	planter.EditSuper(stale.Back[0], func(sb *ondisk.Super) { sb.SetState(ondisk.StateStale) }) // -p would leave it: one side loses
	if r := check(t, stale); r.Steps()[0].Command != "bctl fsck -y --only BD14 --lost lost.json dev0 dev1" {
		t.Errorf("%+v", r.Steps())
	}
	wiped := scenes.Open(t, "writeback-dirty")
	wiped.Give = 1
	wiped.Back[0].Put(0, make([]byte, ondisk.SuperOffset+ondisk.SuperSize))
	if r := check(t, wiped); r.Steps()[0].Command != "bctl fsck -p dev0 dev1" { // its cache is named already
		t.Errorf("%+v", r.Steps())
	}
}

func TestQuote(t *testing.T) {
	for name, want := range map[string]string{"/dev/sda1": "/dev/sda1", "a b": "'a b'", "": "''", "it's": `'it'\''s'`, "$x": "'$x'", "größe": "'größe'"} {
		if got := fsck.Quote(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// A device that shrank is one finding, with what it cut.
func TestShrunkBackingDevice(t *testing.T) {
	s := scenes.Open(t, "writeback-dirty")
	s.Give = 1
	const end = 20000 // sectors
	s.Back[0].Resize(end * ondisk.SectorBytes)
	var extents, sectors, dirty uint64
	for _, p := range s.Extents() {
		if n := p.Key.Offset(); n > end {
			extents++
			sectors += uint64(n - max(end, p.Key.Start()))
			if p.Key.Dirty() {
				dirty += uint64(n - max(end, p.Key.Start()))
			}
		}
	}
	found := 0
	for _, f := range check(t, s).Findings {
		if f.Code != finding.EXPastBacking {
			continue
		}
		found++
		if *f.OffsetSectors != end || *f.Sectors < sectors || *f.Inode != 0 || extents < 2 || dirty == 0 {
			t.Errorf("%+v: want %d extents, %d sectors, %d dirty or more", f, extents, sectors, dirty)
		}
	}
	if found != 1 {
		t.Errorf("%d findings", found)
	}
}

// Dirty data behind a stale pointer: how much may be lost is said for the volume, and what the backing device already
// has is not lost.
func TestStaleDirtyIsDecided(t *testing.T) {
	plant := func(give int) (*damages.Scene, ondisk.Sector) {
		s := scenes.Open(t, "writeback-dirty")
		s.Give = give
		k := s.Extent((*ondisk.Bkey).Dirty).Key
		b := s.Geo.BucketOf(k.Ptr[0].Offset())
		s.SetGen(b, k.Ptr[0].Gen()+1)
		total := ondisk.Sector(0)
		for _, v := range check(t, s).Summary.Volumes {
			total += v.LostSectors
		}
		if total == 0 {
			t.Fatal("nothing is lost")
		}
		return s, total
	}
	s, total := plant(0)
	r := check(t, s)
	if v := r.Summary.Volumes[0]; v.LostSectors != total || v.SavedSectors != 0 || !strings.Contains(r.Verdict(), "may be lost") || r.Result != fsck.Clean {
		t.Errorf("%+v, %q", v, r.Verdict())
	}
	s, _ = plant(1)
	r = check(t, s)
	stale := codes(r)
	if v := r.Summary.Volumes[0]; v.LostSectors != total || v.SavedSectors == total {
		t.Errorf("not written back: %+v", v)
	}
	// Now write everything back, as the kernel did before it reused the bucket.
	c, err := inspect.Open(t.Context(), s.Main, s.Super(), inspect.Options{Size: s.Main.Size(), Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	var patches []func()
	if err := c.Walk(func(_ int, e *inspect.Extent) {
		if e.Stale > 0 && e.Dirty() {
			at, from, n := e.Start().Bytes(), e.Ptr[0].Offset().Bytes(), int(e.Size().Bytes())
			patches = append(patches, func() { s.Back[0].Put(at, s.Main.Bytes(from, n)) })
		}
	}); err != nil {
		t.Fatal(err)
	}
	for _, p := range patches {
		p()
	}
	r = check(t, s)
	if v := r.Summary.Volumes[0]; v.SavedSectors != total || strings.Contains(r.Verdict(), "may be lost") || len(codes(r)) >= len(stale) {
		t.Errorf("written back: %+v, %v, %q", v, codes(r), r.Verdict())
	}
}

// One sector that cannot be read is counted, and all else is compared.
func TestVerifyBadSector(t *testing.T) {
	s := scenes.Open(t, "fifo-full")
	s.Give, s.Verify = 1, true
	whole := check(t, s).Verified
	if whole.Extents == 0 || whole.DifferExtents+whole.UnreadExtents != 0 || len(whole.Unread) != 0 {
		t.Fatalf("%+v", whole)
	}
	k := s.Extent(func(k *ondisk.Bkey) bool { return !k.Dirty() && k.Ptrs() > 0 }).Key
	s.Main.Fail(k.Ptr[0].Offset().Bytes(), 512)
	r := check(t, s)
	v := r.Verified
	if v.UnreadExtents == 0 || v.Extents+v.UnreadExtents != whole.Extents || v.Sectors+v.UnreadSectors != whole.Sectors || v.DifferExtents != 0 || len(v.Unread) == 0 {
		t.Errorf("%+v, whole %+v", v, whole)
	}
	if r.Result != fsck.Clean {
		t.Errorf("%s: %v", r.Result, codes(r))
	}
}

// A difference is damage where the comparison was asked for, and only there.
func TestVerifyDifference(t *testing.T) {
	s := scenes.Open(t, "fifo-full")
	k := s.Extent(func(k *ondisk.Bkey) bool { return !k.Dirty() && k.Ptrs() > 0 }).Key
	s.Give = 1
	s.Back[0].Flip((k.Offset()-1).Bytes()+77, 3)
	if r := check(t, s); r.Result != fsck.Clean || r.Verified != nil {
		t.Errorf("not asked for: %s, %+v", r.Result, r.Verified)
	}
	s.Verify = true
	if r := check(t, s); r.Result != fsck.Damaged || r.Verified.DifferExtents != 1 || !strings.Contains(r.Verdict(), "differ") {
		t.Errorf("asked for: %s, %+v, %s", r.Result, r.Verified, r.Verdict())
	}
}

// canceler ends a context when a read reaches data.
type canceler struct {
	io.ReaderAt
	from   int64
	left   *atomic.Int64
	cancel context.CancelFunc
}

func (c canceler) ReadAt(b []byte, at int64) (int, error) {
	if at >= c.from && c.left.Add(-1) < 0 {
		c.cancel()
	}
	return c.ReaderAt.ReadAt(b, at)
}

// A check that is interrupted, wherever, gives no report: what it did not see is not what is not there.
func TestInterrupted(t *testing.T) {
	detached := scenes.Open(t, "writeback-dirty")
	detached.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated = ondisk.InvalidUUID, 1700000000 })
	for name, s := range map[string]*damages.Scene{"verify": scenes.Open(t, "fifo-full"), "written back": detached} {
		for _, after := range []int64{0, 1, 3, 10, 30} {
			ctx, cancel := context.WithCancel(t.Context())
			var left atomic.Int64
			left.Store(after)
			dev := fsck.Device{Name: "dev0", R: s.Main, Size: s.Main.Size()}
			back := fsck.Device{Name: "dev1", R: canceler{s.Back[0], 8192, &left, cancel}, Size: s.Back[0].Size()}
			r, err := fsck.Run(ctx, dev, []fsck.Device{back}, fsck.Options{Workers: 2, Verify: name == "verify"})
			if ctx.Err() != nil && (!errors.Is(err, context.Canceled) || r != nil) {
				t.Errorf("%s, after %d reads: %v, %v", name, after, r, err)
			}
			if ctx.Err() == nil && after == 0 {
				t.Errorf("%s: the backing device was not read", name)
			}
			cancel()
		}
	}
}
