// SPDX-License-Identifier: GPL-2.0-only

package volume

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

func openCache(t testing.TB, r io.ReaderAt, size int64) *inspect.Cache {
	t.Helper()
	s, err := superblock.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inspect.Open(context.Background(), r, s, inspect.Options{Size: size, Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func file(t testing.TB, path string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, info.Size()
}

// of are the volumes of an image, as the facts have them; nil where nothing shows one.
func of(t testing.TB, c *inspect.Cache, img *imgtest.Image, facts []imgtest.Volume, o Options) (vs []*Volume) {
	t.Helper()
	for _, f := range facts {
		var v *Volume
		var err error
		switch {
		case f.SHA256 == "":
		case f.Backing == imgtest.NoBacking:
			v, err = Flash(c, f.Inode, o)
		default:
			dev, size := file(t, img.Backing[f.Backing])
			v, err = Backed(c, dev, size, o)
			if inode, ok := v.Attached(); !ok || inode != f.Inode {
				t.Errorf("inode %d, %v; want %d", inode, ok, f.Inode)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, v)
	}
	return vs
}

func sum(t testing.TB, v *Volume) string {
	t.Helper()
	h := sha256.New()
	if n, err := v.WriteTo(h); err != nil || n != v.Size() {
		t.Fatalf("%d of %d bytes: %v", n, v.Size(), err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Every volume of every image is what the kernel showed. A crash may leave clean data that the backing device has not
// got yet; where there was none, the dirty data alone make the same volume.
func TestVolumesAreTheKernels(t *testing.T) {
	for _, facts := range imgtest.All {
		t.Run(facts.Name, func(t *testing.T) {
			img := imgtest.Open(t, facts.Name)
			dev, size := file(t, img.Cache)
			c := openCache(t, dev, size)
			for _, o := range []Options{{}, {DirtyOnly: true}} {
				if o.DirtyOnly && (testing.Short() || strings.Contains(facts.Name, "crash")) {
					continue
				}
				for i, v := range of(t, c, img, facts.Volumes, o) {
					if v == nil {
						continue
					}
					if got := sum(t, v); got != facts.Volumes[i].SHA256 {
						t.Errorf("inode %d, %+v: sha256 %s, want %s", facts.Volumes[i].Inode, o, got, facts.Volumes[i].SHA256)
					}
				}
			}
		})
	}
}

// Reads at any place give what the whole has there, with next to no memory and from several goroutines.
func TestReadAnywhere(t *testing.T) {
	for _, name := range []string{"two-backing-flash", "detached-reattached", "writeback-crash-mid", "fifo-full"} {
		for _, facts := range imgtest.All {
			if facts.Name != name {
				continue
			}
			img := imgtest.Open(t, name)
			dev, size := file(t, img.Cache)
			for i, v := range of(t, openCache(t, dev, size), img, facts.Volumes, Options{LeafBytes: 1}) {
				if v == nil {
					continue
				}
				var whole bytes.Buffer
				if n, err := v.WriteTo(&whole); err != nil || n != v.Size() {
					t.Fatal(n, err)
				}
				var wg sync.WaitGroup
				for g := range uint64(4) {
					wg.Go(func() { readsLike(t, v, whole.Bytes(), rand.New(rand.NewPCG(uint64(i), g))) })
				}
				wg.Wait()
			}
		}
	}
}

func readsLike(t *testing.T, v *Volume, whole []byte, rnd *rand.Rand) {
	for range 200 {
		off, n := rnd.Int64N(v.Size()+2), rnd.IntN(1<<(1+rnd.IntN(20)))
		b := make([]byte, n)
		got, err := v.ReadAt(b, off)
		want := whole[min(off, v.Size()):min(off+int64(n), v.Size())]
		if short := len(want) < n; !bytes.Equal(b[:got], want) || short != errors.Is(err, io.EOF) || !short && err != nil {
			t.Errorf("%d bytes at %d: got %d, %v; the same: %v", n, off, got, err, bytes.Equal(b[:got], want))
			return
		}
	}
}

// Spans cover a volume without gaps, and say of each sector what the extents say.
func TestSpans(t *testing.T) {
	for _, facts := range imgtest.All {
		img := imgtest.Open(t, facts.Name)
		dev, size := file(t, img.Cache)
		c := openCache(t, dev, size)
		for i, v := range of(t, c, img, facts.Volumes, Options{}) {
			if v == nil {
				continue
			}
			at, live, dirty := int64(0), int64(0), int64(0)
			last := Span{}
			for s, err := range v.Spans() {
				if err != nil || s.Off != at || s.Len <= 0 || s.Source == Unknown {
					t.Fatalf("%s: span %+v behind %d: %v", facts.Name, s, at, err)
				}
				if last.Len > 0 && last.Source == s.Source && last.Dirty == s.Dirty && last.At+last.Len == s.At {
					t.Fatalf("%s: spans %+v and %+v are one", facts.Name, last, s)
				}
				at += s.Len
				last = s
				if s.Source == Cache {
					live += s.Len / sector
					if s.Dirty {
						dirty += s.Len / sector
					}
				}
			}
			if want := facts.Volumes[i]; at != v.Size() || live < want.Live || dirty != want.Dirty {
				t.Errorf("%s: %d bytes, %d live and %d dirty sectors; want %d, %d and %d", facts.Name, at, live, dirty, v.Size(), want.Live, want.Dirty)
			}
		}
	}
}

// Whatever is damaged in a tree: a byte is what it was, or an error. Never zero, never what lies below.
func TestDamagedTreesGiveErrors(t *testing.T) {
	for _, name := range []string{"fifo-full", "detached-reattached", "writeback-dirty"} {
		sound := scenes.Open(t, name)
		whole := map[int][]byte{}
		for i := range sound.Back {
			whole[i] = contents(t, sound, i)
		}
		levels := sound.Levels()
		rnd := rand.New(rand.NewPCG(3, 3))
		unknown := 0
		for range 6 {
			s := scenes.Open(t, name)
			for range 1 + rnd.IntN(2) {
				nodes := levels[rnd.IntN(len(levels))]
				n := nodes[rnd.IntN(len(nodes))]
				sets := sound.Sets(n)
				set := sets[rnd.IntN(len(sets))]
				s.Flip((n.Sector()+set.At).Bytes()+int64(rnd.IntN(int(set.Bytes()))), uint(rnd.IntN(8)))
			}
			c := openCache(t, s.Image, s.Size())
			for i, back := range s.Back {
				v, err := Backed(c, back, back.Size(), Options{})
				if err != nil {
					t.Fatal(err)
				}
				const step = 32 << 10
				b := make([]byte, step)
				for off := int64(0); off < v.Size(); off += step {
					n, err := v.ReadAt(b, off)
					if !bytes.Equal(b[:n], whole[i][off:][:n]) {
						t.Fatalf("%s: other bytes between %d and %d", name, off, off+int64(n))
					}
					switch {
					case errors.Is(err, ErrUnknown):
						unknown++
					case err != nil && !errors.Is(err, io.EOF), err == nil && n < step:
						t.Fatal(err)
					}
				}
			}
		}
		if unknown == 0 {
			t.Errorf("%s: nothing was ever unknown", name)
		}
	}
}

func contents(t testing.TB, s *damages.Scene, i int) []byte {
	t.Helper()
	v, err := Backed(openCache(t, s.Image, s.Size()), s.Back[i], s.Back[i].Size(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := v.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What each kind of extent makes of a volume.
func TestKindsOfExtents(t *testing.T) {
	s := scenes.Open(t, "made-small")
	free := s.Free(9)
	at := func(i int) ondisk.Sector { return s.Geo.Start(free[i]) }
	key := func(i, place int, gen uint8) ondisk.Bkey { return s.Key(0, ondisk.Sector(16+8*i), 8, at(place), gen) }
	placeholder, other, bare := key(4, 0, 0), key(5, 0, 0), ondisk.MakeKey(0, 16+8*6, 8)
	placeholder.Ptr[0], other.Ptr[0] = ondisk.MakePtr(0, 0, ondisk.PtrCheckDev), ondisk.MakePtr(0, at(1), 9)
	s.AddSet(s.Root(), key(1, 1, 5), planter.Dirty(key(2, 2, 5)), key(3, 3, 4), placeholder, other, bare,
		planter.Dirty(key(7, 4, 4)), planter.Dirty(s.Key(0, 16+8*8, 8, s.Geo.Start(s.Geo.NBuckets), 0)))
	for _, i := range []int{1, 2, 3, 4} {
		s.SetGen(free[i], 5)
	}
	below := planter.NewImage(nil, 64*sector+32*sector)
	read := func(below Below, o Options) (out []Span) {
		v := New(openCache(t, s.Image, s.Size()), 0, below, o)
		for sp, err := range v.Spans() {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, sp)
		}
		return out
	}
	const b = 8 * sector
	check := func(name string, got []Span, want ...Span) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
			return
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: span %d: %+v, want %+v", name, i, got[i], want[i])
			}
		}
	}
	back := Below{below, 16 * sector, below.Size()}
	check("backed", read(back, Options{}),
		Span{Off: 0, Len: b, Source: Cache, At: at(1).Bytes()},
		Span{Off: b, Len: b, Source: Cache, At: at(2).Bytes(), Dirty: true},
		Span{Off: 2 * b, Len: 4 * b, Source: Underneath, At: 16*sector + 2*b}, // stale, placeholder, another device's, none
		Span{Off: 6 * b, Len: b, Source: Underneath, At: 16*sector + 6*b, Lost: true},
		Span{Off: 7 * b, Len: b, Source: Unknown, Dirty: true},
		Span{Off: 8 * b, Len: 2 * b, Source: Underneath, At: 16*sector + 8*b})
	check("dirty only", read(back, Options{DirtyOnly: true})[:2],
		Span{Off: 0, Len: b, Source: Underneath, At: 16 * sector},
		Span{Off: b, Len: b, Source: Cache, At: at(2).Bytes(), Dirty: true})
	// Without a backing device nobody else has what a damaged pointer led to.
	check("alone", read(Below{Start: 16 * sector, End: 16*sector + 10*b}, Options{}),
		Span{Off: 0, Len: b, Source: Cache, At: at(1).Bytes()},
		Span{Off: b, Len: b, Source: Cache, At: at(2).Bytes(), Dirty: true},
		Span{Off: 2 * b, Len: 2 * b, Source: Underneath, At: 16*sector + 2*b},
		Span{Off: 4 * b, Len: b, Source: Unknown},
		Span{Off: 5 * b, Len: b, Source: Underneath, At: 16*sector + 5*b},
		Span{Off: 6 * b, Len: b, Source: Underneath, At: 16*sector + 6*b, Lost: true},
		Span{Off: 7 * b, Len: b, Source: Unknown, Dirty: true},
		Span{Off: 8 * b, Len: 2 * b, Source: Underneath, At: 16*sector + 8*b})
	// Where the prio chain is lost, nobody knows whether a clean extent's bucket was reused.
	s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+100, 1)
	check("gens unknown", read(back, Options{})[:2],
		Span{Off: 0, Len: b, Source: Underneath, At: 16 * sector},
		Span{Off: b, Len: b, Source: Cache, At: at(2).Bytes(), Dirty: true})
	check("gens unknown, alone", read(Below{Start: 16 * sector, End: 16*sector + 2*b}, Options{}),
		Span{Off: 0, Len: b, Source: Unknown},
		Span{Off: b, Len: b, Source: Cache, At: at(2).Bytes(), Dirty: true})
}

// What is no volume of the cache is refused, and what is not attached is shown bare.
func TestWhichVolume(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	c := openCache(t, s.Image, s.Size())
	dev := func(change func(sb *ondisk.Super)) *planter.Image {
		d := s.Back[0].Copy()
		planter.EditSuper(d, change)
		return d
	}
	for _, test := range []struct {
		name     string
		change   func(sb *ondisk.Super)
		want     error
		attached bool
	}{
		{"as it is", func(*ondisk.Super) {}, nil, true},
		{"clean", func(sb *ondisk.Super) { sb.SetState(ondisk.StateClean) }, nil, true},
		{"none", func(sb *ondisk.Super) { sb.SetState(ondisk.StateNone) }, nil, false},
		{"stale", func(sb *ondisk.Super) { sb.SetState(ondisk.StateStale) }, nil, false},
		{"clean, not in a slot", func(sb *ondisk.Super) { sb.SetState(ondisk.StateClean); sb.UUID[0] ^= 1 }, nil, false},
		{"dirty, not in a slot", func(sb *ondisk.Super) { sb.SetState(ondisk.StateDirty); sb.UUID[0] ^= 1 }, ErrNoSlot, false},
		{"another set", func(sb *ondisk.Super) { sb.SetUUID[0] ^= 1 }, ErrOtherSet, false},
		{"a cache", func(sb *ondisk.Super) { sb.Version = ondisk.VersionCacheUUID }, ErrNotBacking, false},
		{"data behind the end", func(sb *ondisk.Super) {
			sb.Version, sb.Nbuckets = ondisk.VersionBackingOffset, 1<<40
		}, ErrNotBacking, false},
	} {
		d := dev(test.change)
		v, err := Backed(c, d, d.Size(), Options{})
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if err != nil {
			continue
		}
		if _, ok := v.Attached(); ok != test.attached {
			t.Errorf("%s: attached %v", test.name, ok)
		}
	}
	for inode, want := range map[uint32]error{0: ErrNotFlash, 2: nil, 3: ErrNotFlash, 1 << 20: ErrNotFlash} {
		if _, err := Flash(c, inode, Options{}); !errors.Is(err, want) {
			t.Errorf("inode %d: %v, want %v", inode, err, want)
		}
	}
	c.UUIDs = nil
	journal := c.Journal
	c.Journal = nil
	if _, err := Flash(c, 2, Options{}); !errors.Is(err, ErrNew) {
		t.Error(err)
	}
	c.Journal = journal
	if _, err := Backed(c, s.Back[0], s.Back[0].Size(), Options{}); !errors.Is(err, ErrNoTree) {
		t.Error(err)
	}
	if _, err := Flash(c, 2, Options{}); !errors.Is(err, ErrNoTree) {
		t.Error(err)
	}
}
