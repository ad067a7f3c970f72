// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/full"
	"bctl/internal/disk/mapfile"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/hint"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

// A lab device is one in memory, whose reads and writes can be made to fail.
type device struct {
	*powercut.Device
	name  string
	bad   map[int64]bool // sectors that cannot be read, by their first byte
	write func(off int64) error
}

func (d *device) Path() string    { return d.name }
func (d *device) IsBlock() bool   { return false }
func (d *device) CanWrite() error { return nil }
func (d *device) Arm() error      { return nil }

var errMedium = errors.New("medium error")

func (d *device) ReadAt(b []byte, off int64) (int, error) {
	for at := off / 512 * 512; d.bad != nil && at < off+int64(len(b)); at += 512 {
		if d.bad[at] {
			n, _ := d.Device.ReadAt(b[:max(at-off, 0)], off)
			return n, errMedium
		}
	}
	return d.Device.ReadAt(b, off)
}

func (d *device) WriteAt(b []byte, off int64) (int, error) {
	if d.write != nil {
		if err := d.write(off); err != nil {
			return 0, err
		}
	}
	return d.Device.WriteAt(b, off)
}

func load(t testing.TB, path string) *device {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &device{Device: powercut.New(bytes.NewReader(b), int64(len(b))), name: path}
}

func (d *device) fork() *device { return &device{Device: d.Fork(), name: d.name} }

// A pair is a cache and its backing devices.
type pair struct {
	cache *device
	backs []*device
	sums  []string
}

func pairOf(t testing.TB, name string) *pair {
	img := imgtest.Open(t, name)
	p := &pair{cache: load(t, img.Cache)}
	for _, f := range imgtest.All {
		if f.Name != name {
			continue
		}
		for _, v := range f.Volumes {
			if v.Backing != imgtest.NoBacking {
				p.backs, p.sums = append(p.backs, load(t, img.Backing[v.Backing])), append(p.sums, v.SHA256)
			}
		}
	}
	return p
}

func (p *pair) fork() *pair {
	q := &pair{cache: p.cache.fork(), sums: p.sums}
	for _, b := range p.backs {
		q.backs = append(q.backs, b.fork())
	}
	return q
}

func open(t testing.TB, r io.ReaderAt, size int64) (*inspect.Cache, []finding.Finding) {
	t.Helper()
	s, err := superblock.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	var found finding.Collector
	c, err := inspect.Open(context.Background(), r, s, inspect.Options{Size: size, Sink: found.Add})
	if err != nil {
		t.Fatal(err)
	}
	return c, found.Findings()
}

func (p *pair) devices() (devs []change.Device) {
	for _, b := range p.backs {
		devs = append(devs, b)
	}
	return devs
}

// run writes everything back, and clears it.
func (p *pair) run(t testing.TB, ctx context.Context, r io.ReaderAt, o Options) error {
	t.Helper()
	c, found := open(t, r, p.cache.Size())
	targets, err := Match(c, p.devices())
	if err != nil {
		return err
	}
	j := New(c, targets, 512, o)
	if err := j.Survey(ctx); err != nil {
		return err
	}
	write := change.Options{NoUndo: true}
	for _, x := range targets {
		if _, err := change.Run(ctx, write, change.Stage{Dev: x.Dev, Data: j.Data(x)}); err != nil {
			return err
		}
	}
	cleared, err := j.Clear(found, nil)
	if err != nil {
		return err
	}
	stages := []change.Stage{{Dev: p.cache, Plan: cleared.Plan, Prove: cleared.Prove(ctx, p.cache.Size())}}
	if cleared.Keys == 0 {
		stages = nil
	}
	for _, x := range targets {
		if s := cleared.CleanState(x); s != nil {
			stages = append(stages, change.Stage{Dev: x.Dev, Plan: s})
		}
	}
	_, err = change.Run(ctx, write, stages...)
	return err
}

func dataSum(t testing.TB, d *device) string {
	t.Helper()
	s, err := superblock.Read(d)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	start := superblock.DataOffset(s).Bytes()
	if _, err := io.Copy(h, io.NewSectionReader(d, start, d.Size()-start)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// volumeSum is what the kernel would show.
func (p *pair) volumeSum(t testing.TB, i int) string {
	t.Helper()
	c, found := open(t, p.cache, p.cache.Size())
	for _, f := range found {
		if f.Severity == finding.Damage {
			t.Errorf("%v", f)
		}
	}
	v, err := volume.Backed(c, p.backs[i], p.backs[i].Size(), volume.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := v.WriteTo(h); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// judge checks that all is written back and clean.
func (p *pair) judge(t testing.TB) {
	t.Helper()
	c, found := open(t, p.cache, p.cache.Size())
	for _, f := range found {
		if f.Severity == finding.Damage {
			t.Errorf("%v", f)
		}
	}
	for i, b := range p.backs {
		if got := dataSum(t, b); got != p.sums[i] {
			t.Errorf("device %d: %s, the kernel's %s", i, got, p.sums[i])
		}
		s, err := superblock.Read(b)
		if err != nil || s.State() != ondisk.StateClean || s.Csum != s.Checksum() {
			t.Errorf("device %d: %v, %v", i, s.State(), err)
		}
		if inode, ok := c.UUIDs.Find(s.UUID); !ok || volumeOf(c, inode).DirtySectors != 0 {
			t.Errorf("device %d: dirty still", i)
		}
	}
}

// Any write may fail, and so may the power: what is there then is every volume as it was, for whoever reads it through
// the cache, and another run ends as if nothing had been.
func TestWritesFail(t *testing.T) {
	base := pairOf(t, "two-backing-flash")
	whole := base.fork()
	if err := whole.run(t, t.Context(), whole.cache, Options{Verify: true}); err != nil {
		t.Fatal(err)
	}
	whole.judge(t)
	writes := 0
	for _, d := range append(slices.Clone(whole.backs), whole.cache) {
		for _, e := range d.Events() {
			if !e.Flush {
				writes++
			}
		}
	}
	step := max(1, writes/3)
	for fail := 0; fail < writes; fail++ {
		if fail%step != 0 && fail < writes-4 {
			continue
		}
		p, n := base.fork(), 0
		for _, d := range append(slices.Clone(p.backs), p.cache) {
			d.write = func(int64) error {
				if n++; n > fail {
					return errMedium
				}
				return nil
			}
		}
		if err := p.run(t, t.Context(), p.cache, Options{Verify: true}); !errors.Is(err, errMedium) {
			t.Fatalf("write %d of %d: %v", fail, writes, err)
		}
		for _, d := range append(slices.Clone(p.backs), p.cache) {
			d.write = nil
		}
		for i := range p.backs {
			if got := p.volumeSum(t, i); got != p.sums[i] {
				t.Errorf("write %d of %d failed: volume %d is another", fail, writes, i)
			}
		}
		if err := p.run(t, t.Context(), p.cache, Options{Verify: true}); err != nil {
			t.Fatal(err)
		}
		p.judge(t)
	}
}

// The power goes while the keys are made clean, or the state: the data are there, whatever of it is.
func TestClearCutAnywhere(t *testing.T) {
	base := pairOf(t, "writeback-crash-mid")
	p := base.fork()
	if err := p.run(t, t.Context(), p.cache, Options{}); err != nil {
		t.Fatal(err)
	}
	cuts := 0
	for name, at := range p.cache.Cuts(base.cache.Device, 1) {
		cuts++
		q := &pair{cache: &device{Device: at}, backs: []*device{p.backs[0].fork()}, sums: base.sums}
		if got := q.volumeSum(t, 0); got != q.sums[0] {
			t.Errorf("%s: the volume is another", name)
		}
		if cuts%30 == 0 {
			if err := q.run(t, t.Context(), q.cache, Options{}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			q.judge(t)
		}
	}
	tried := 0
	for name, at := range p.backs[0].Cuts(base.backs[0].Device, 1) { // the cache is not touched before all of it is there
		if tried++; tried%12 > 0 {
			continue
		}
		q := &pair{cache: base.cache.fork(), backs: []*device{{Device: at}}, sums: base.sums}
		if got := q.volumeSum(t, 0); got != q.sums[0] && !strings.Contains(name, "torn") {
			t.Errorf("%s: the volume is another", name)
		}
	}
	if cuts < 20 {
		t.Errorf("%d cuts", cuts)
	}
}

// Sectors that cannot be read are lost, and no others; they are listed, and their keys stay dirty. Read again they come.
func TestReadErrors(t *testing.T) {
	p := pairOf(t, "writeback-crash-mid")
	c, _ := open(t, p.cache, p.cache.Size())
	var dirty []int64 // sectors on the cache
	back := map[int64]int64{}
	for e, err := range c.Extents(inspect.Everything) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Live && e.Dirty() {
			for i := range e.Size() {
				at := (e.Ptr[0].Offset() + i).Bytes()
				dirty, back[at] = append(dirty, at), (e.Start() + i).Bytes()
			}
		}
	}
	bad := map[int64]bool{dirty[0]: true, dirty[1]: true, dirty[len(dirty)/3]: true, dirty[len(dirty)-1]: true}
	r := p.cache.fork()
	r.bad = bad
	want, got := []int64{}, []int64{}
	for at := range bad {
		want = append(want, back[at])
	}
	old := make([]byte, p.backs[0].Size())
	if err := full.ReadAt(p.backs[0], old, 0); err != nil {
		t.Fatal(err)
	}
	o := Options{Verify: true, Retries: 2, Lost: func(l Lost) {
		if l.Why != WhyUnread || !l.Known || !l.Dirty || l.Device == "" {
			t.Errorf("%+v", l)
		}
		for i := range l.Count {
			got = append(got, (l.Offset + i).Bytes())
		}
	}}
	if err := p.run(t, t.Context(), r, o); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("lost %v, want %v", got, want)
	}
	for _, at := range want {
		now := make([]byte, 512)
		if err := full.ReadAt(p.backs[0], now, at); err != nil || !bytes.Equal(now, old[at:at+512]) {
			t.Errorf("sector at %d was written: %v", at, err)
		}
	}
	if s, _ := superblock.Read(p.backs[0]); s.State() != ondisk.StateDirty {
		t.Error("the state is clean")
	}
	if sum := p.volumeSum(t, 0); sum != p.sums[0] {
		t.Error("the volume is another")
	}
	if err := p.run(t, t.Context(), p.cache, Options{Verify: true}); err != nil {
		t.Fatal(err)
	}
	p.judge(t)
}

// What ddrescue did not read is unknown: data, and metadata too.
func TestMapfile(t *testing.T) {
	p := pairOf(t, "writeback-crash-mid")
	c, _ := open(t, p.cache, p.cache.Size())
	hole, n := int64(0), int64(0)
	for e, err := range c.Extents(inspect.Everything) {
		if err == nil && e.Live && e.Dirty() && n == 0 {
			hole, n = e.Ptr[0].Offset().Bytes(), e.Size().Bytes()
		}
	}
	m := mapfile.Map{{Off: 0, Len: hole, Status: '+'}, {Off: hole, Len: n, Status: '-'}, {Off: hole + n, Len: p.cache.Size() - hole - n, Status: '+'}}
	lost := int64(0)
	o := Options{Lost: func(l Lost) { lost += l.Count.Bytes() }}
	if err := p.fork().run(t, t.Context(), m.Over(p.cache), o); err != nil || lost != n {
		t.Errorf("lost %d bytes of %d: %v", lost, n, err)
	}
	root := c.Journal.Newest.BtreeRoot.Ptr[0].Offset().Bytes()
	m = mapfile.Map{{Off: 0, Len: root, Status: '+'}, {Off: root + 4096, Len: p.cache.Size() - root - 4096, Status: '+'}}
	unknown := int64(0)
	o.Lost = func(l Lost) {
		if l.Why == WhyUnknown && !l.Known {
			unknown += l.Count.Bytes()
		}
	}
	q := p.fork()
	if err := q.run(t, t.Context(), m.Over(q.cache), o); !errors.Is(err, ErrDamaged) || unknown == 0 {
		t.Errorf("%d bytes unknown, %v", unknown, err)
	}
	if len(q.cache.Events()) > 0 {
		t.Error("the cache was written to")
	}
}

// What the backing device does not hold, though it said so, is an error.
func TestReadBack(t *testing.T) {
	p := pairOf(t, "writeback-crash-mid")
	lies := &liar{device: p.backs[0]}
	c, _ := open(t, p.cache, p.cache.Size())
	targets, err := Match(c, []change.Device{lies})
	if err != nil {
		t.Fatal(err)
	}
	j := New(c, targets, 512, Options{Verify: true})
	if err := j.Survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := change.Run(t.Context(), change.Options{NoUndo: true}, change.Stage{Dev: lies, Data: j.Data(targets[0])}); !errors.Is(err, plan.ErrReadBack) {
		t.Errorf("%v", err)
	}
}

// A liar turns one bit over.
type liar struct {
	*device
	once bool
}

func (l *liar) WriteAt(b []byte, off int64) (int, error) {
	if !l.once {
		l.once = true
		b = bytes.Clone(b)
		b[len(b)-1] ^= 1
	}
	return l.device.WriteAt(b, off)
}

// Interrupted, it ends between two requests, and goes on when it is run again.
func TestInterrupted(t *testing.T) {
	p := pairOf(t, "two-backing-flash")
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	p.backs[0].write = func(int64) error {
		if n++; n == 2 {
			stop()
		}
		return nil
	}
	if err := p.run(t, ctx, p.cache, Options{Verify: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if len(p.cache.Events()) > 0 {
		t.Error("the cache was written to")
	}
	if err := p.run(t, t.Context(), p.cache, Options{Verify: true}); err != nil {
		t.Fatal(err)
	}
	p.judge(t)
}

// A wrong device is refused, and so is a small one, or one that was used without its cache.
func TestRefused(t *testing.T) {
	p := pairOf(t, "two-backing-flash")
	super := func(d *device, edit func(s *ondisk.Super)) *device {
		d = d.fork()
		s, err := superblock.Read(d)
		if err != nil {
			t.Fatal(err)
		}
		edit(s)
		s.Csum = s.Checksum()
		d.Put(ondisk.SuperOffset, s.Append(nil))
		return d
	}
	c, found := open(t, p.cache, p.cache.Size())
	for name, test := range map[string]struct {
		dev  *device
		want error
	}{
		"a cache":     {p.cache, volume.ErrNotBacking},
		"another set": {super(p.backs[0], func(s *ondisk.Super) { s.SetUUID[3] ^= 1 }), volume.ErrOtherSet},
		"unknown":     {super(p.backs[0], func(s *ondisk.Super) { s.UUID[3] ^= 1 }), volume.ErrNoSlot},
		"stale":       {super(p.backs[0], func(s *ondisk.Super) { s.SetState(ondisk.StateStale) }), ErrState},
		"none":        {super(p.backs[0], func(s *ondisk.Super) { s.SetState(ondisk.StateNone) }), ErrState},
		"small":       {&device{Device: powercut.New(p.backs[0], 4<<20)}, ErrSmall},
	} {
		targets, err := Match(c, []change.Device{test.dev})
		if err == nil {
			err = New(c, targets, 512, Options{}).Survey(t.Context())
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if _, err := Match(c, []change.Device{p.backs[0], p.backs[0].fork()}); !errors.Is(err, ErrTwice) {
		t.Errorf("one device twice: %v", err)
	}
	if _, err := To(c, 1, p.backs[0]); !errors.Is(err, ErrOther) {
		t.Errorf("another's volume: %v", err)
	}
	if _, err := To(c, 2, p.backs[0]); !errors.Is(err, ErrNoVolume) {
		t.Errorf("a flash-only volume: %v", err)
	}
	if _, err := To(c, 77, p.backs[0]); !errors.Is(err, ErrNoVolume) {
		t.Errorf("no volume: %v", err)
	}
	if _, err := Detach(c, found, p.backs[0], time.Unix(1e9, 0)); !errors.Is(err, ErrNotClean) || !strings.Contains(hint.Of(err), "writeback") {
		t.Errorf("detached while dirty: %v", err)
	}
	left := Others(c, nil)
	if len(left) != 3 || !strings.Contains(left[2].Why, "export") || !strings.Contains(left[0].Why, "not given") {
		t.Errorf("%+v", left)
	}
}

// A volume that was detached while dirty comes to the device that the user names; what the cache has of the device
// under its new number is newer, and is left alone.
func TestOrphan(t *testing.T) {
	p := pairOf(t, "detached-reattached")
	c, found := open(t, p.cache, p.cache.Size())
	const lost = 1
	if _, err := To(c, lost, p.backs[0]); !errors.Is(err, ErrNoVolume) {
		t.Errorf("a destroyed flash-only volume: %v", err)
	}
	c.UUIDs[lost].Sectors = 0 // now it is like one that was detached
	x, err := To(c, lost, p.backs[0])
	if err != nil || x.Newer == nil {
		t.Fatalf("%+v, %v", x, err)
	}
	// slowly: what each sector should be
	want := make([]byte, p.backs[0].Size())
	if err := full.ReadAt(p.backs[0], want, 0); err != nil {
		t.Fatal(err)
	}
	newer := map[ondisk.Sector]bool{}
	each := func(inode uint32, do func(e *inspect.Extent, i ondisk.Sector)) {
		for e, err := range c.Extents(inspect.OfVolume(inode)) {
			if err != nil {
				t.Fatal(err)
			}
			for i := ondisk.Sector(0); e.Live && i < e.Size(); i++ {
				do(e, i)
			}
		}
	}
	each(x.Newer.Inode, func(e *inspect.Extent, i ondisk.Sector) { newer[e.Start()+i] = true })
	kept := int64(0)
	each(lost, func(e *inspect.Extent, i ondisk.Sector) {
		switch at := e.Start() + i; {
		case !e.Dirty():
		case newer[at]:
			kept += 512
		default:
			if err := full.ReadAt(p.cache, want[at.Bytes():][:512], (e.Ptr[0].Offset() + i).Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	})
	told := int64(0)
	j := New(c, []*Target{x}, 512, Options{Verify: true, Lost: func(l Lost) { told += l.Count.Bytes() }})
	if err := j.Survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := change.Run(t.Context(), change.Options{NoUndo: true}, change.Stage{Dev: x.Dev, Data: j.Data(x)}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if err := full.ReadAt(p.backs[0], got, 0); err != nil || !bytes.Equal(got, want) || told != kept || j.Copied()+kept != x.Volume.DirtySectors.Bytes() {
		t.Errorf("equal %v, %d bytes kept, want %d, %d copied: %v", bytes.Equal(got, want), told, kept, j.Copied(), err)
	}
	cleared, err := j.Clear(found, nil)
	if err != nil || cleared.CleanState(x) != nil {
		t.Fatalf("%v: the device has dirty data of its new number", err)
	}
	if _, err := change.Run(t.Context(), change.Options{NoUndo: true}, change.Stage{Dev: p.cache, Plan: cleared.Plan, Prove: cleared.Prove(t.Context(), p.cache.Size())}); err != nil {
		t.Fatal(err)
	}
	c, _ = open(t, p.cache, p.cache.Size())
	if v := volumeOf(c, lost); v.DirtySectors.Bytes() < kept || kept == 0 && v.DirtySectors > 0 {
		t.Errorf("%d dirty sectors, %d bytes were kept", v.DirtySectors, kept)
	}
	if sum := p.volumeSum(t, 0); kept == 0 && sum == "" {
		t.Error("no volume")
	}
}

// A volume that is clean is detached as the kernel does it, and each state of it that a cut may leave is sound.
func TestDetach(t *testing.T) {
	base := pairOf(t, "two-backing-flash")
	if err := base.run(t, t.Context(), base.cache, Options{}); err != nil {
		t.Fatal(err)
	}
	p := base.fork()
	c, found := open(t, p.cache, p.cache.Size())
	d, err := Detach(c, found, p.backs[1], time.Unix(1.5e9, 0))
	if err != nil || d.Inode != 1 {
		t.Fatal(d, err)
	}
	write := change.Options{NoUndo: true}
	if _, err := change.Run(t.Context(), write, change.Stage{Dev: p.backs[1], Plan: d.Backing}); err != nil {
		t.Fatal(err)
	}
	half, found := open(t, p.cache, p.cache.Size())
	again, err := Detach(half, found, p.backs[1], time.Unix(1.5e9, 0))
	if err != nil || again.Backing != nil || again.Cache == nil {
		t.Fatalf("cut between: %+v, %v", again, err)
	}
	if _, err := change.Run(t.Context(), write, change.Stage{Dev: p.cache, Plan: d.Cache}); err != nil {
		t.Fatal(err)
	}
	c, found = open(t, p.cache, p.cache.Size())
	if u := c.UUIDs[1]; u.UUID != ondisk.InvalidUUID || u.Invalidated != 1.5e9 || Damaged(c, found) {
		t.Errorf("%+v %v", u, found)
	}
	s, err := superblock.Read(p.backs[1])
	if err != nil || s.State() != ondisk.StateNone || !s.SetUUID.IsZero() || s.Csum != s.Checksum() || dataSum(t, p.backs[1]) != p.sums[1] {
		t.Errorf("%+v %v", s, err)
	}
	if sum := p.volumeSum(t, 0); sum != p.sums[0] {
		t.Error("the other volume is another")
	}
}

// Of a full cache clean data are given up for the reserve that the kernel needs: what is then proved is that all others
// are there.
func TestClearFull(t *testing.T) {
	img := planter.Make(t, planter.Plan{Buckets: 1024, Bucket: 128, Block: 8})
	c, _ := open(t, img, img.Size())
	var keys []ondisk.Bkey
	for b := img.Geo.FirstBucket; b < img.Geo.NBuckets; b++ {
		if at := ondisk.Sector(1<<30 + len(keys)*16); c.Buckets.Mark(b) == inspect.Free {
			keys = append(keys, img.Key(0, at+8, 8, img.Geo.Start(b), c.Buckets.Gen(b)))
		}
	}
	img.AddSet(img.Root(), keys[:len(keys)-12]...) // room for the tree and the prios
	c, found := open(t, img, img.Size())
	cleared, err := New(c, nil, 512, Options{}).Clear(found, nil)
	if err != nil {
		t.Fatal(err)
	}
	after := cleared.Plan.Overlay(img)
	if err := cleared.Prove(context.Background(), img.Size())(after); err != nil {
		t.Error(err)
	}
	now, _ := open(t, after, img.Size())
	live := func(c *inspect.Cache) (n int64) {
		for _, v := range c.Volumes {
			n += v.Extents
		}
		return n
	}
	if live(now) >= live(c) {
		t.Errorf("%d of %d extents are left: not the case that this is about", live(now), live(c))
	}
}

// What a backing device lost with the power, though the cache has it clean, is copied where it is asked for, and nothing
// else of the clean data is.
func TestClean(t *testing.T) {
	base := pairOf(t, "writeback-dirty")
	c, _ := open(t, base.cache, base.cache.Size())
	var lost []*inspect.Extent
	for e, err := range c.Extents(inspect.Everything) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Live && !e.Dirty() && len(lost) < 3 {
			x := *e
			lost = append(lost, &x)
		}
	}
	if len(lost) == 0 {
		t.Fatal("no clean data")
	}
	for _, e := range lost {
		b := bytes.Repeat([]byte{0x5a}, int(ondisk.SectorBytes))
		if _, err := base.backs[0].WriteAt(b, e.Start().Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	for _, which := range []Clean{CleanNone, CleanRecent, CleanAll} {
		p := base.fork()
		c, _ := open(t, p.cache, p.cache.Size())
		targets, err := Match(c, p.devices())
		if err != nil {
			t.Fatal(err)
		}
		j := New(c, targets, 512, Options{Clean: which, Verify: true})
		if err := j.Survey(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := j.Counts(targets[0])
		if dirty := targets[0].Volume.DirtySectors.Bytes(); got.Copy != got.Clean+dirty {
			t.Errorf("%+v, %d bytes are dirty", got, dirty)
		}
		if most := int64(len(lost)) * compareBytes; (got.Clean > 0) != (which != CleanNone) || got.Clean > most {
			t.Errorf("%d: %+v, %d extents were lost", which, got, len(lost))
		}
		if err := p.run(t, t.Context(), p.cache, Options{Clean: which, Verify: true}); err != nil {
			t.Fatal(err)
		}
		if equal := dataSum(t, p.backs[0]) == p.sums[0]; equal != (which != CleanNone) {
			t.Errorf("%d: the backing device's bytes are the kernel's: %v", which, equal)
		}
	}
	if recent := (&Job{c: c}).recent(&Target{Inode: lost[0].Inode()}); len(recent.list) == 0 {
		t.Error("the journal tells of nothing")
	}
}
