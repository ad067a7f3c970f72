package fsck_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bctl/fsck"
	"bctl/internal/finding"
	"bctl/internal/imgtest"
	"bctl/internal/ondisk"
	"bctl/internal/planter"
)

// now is a time behind that of all images.
const now = 2000000000

// A scene is a private copy of an image, to plant damage in, and how it will be checked.
type scene struct {
	*planter.Cache
	back []*planter.Image // the backing devices there are
	give int              // how many of them fsck gets
	main *planter.Image   // what is checked: the cache, unless the damage says otherwise

	logical int
	verify  bool
}

// originals are the images, opened or made once for the whole test binary.
var originals sync.Map // of name to func() original

type original struct {
	cache *planter.Image
	back  []*planter.Image
}

// open makes a scene of a kernel's image, or of a made one (made_test.go).
func open(t testing.TB, name string) *scene {
	t.Helper()
	once, _ := originals.LoadOrStore(name, sync.OnceValue(func() original {
		if build, ok := made[name]; ok {
			return original{cache: build(t).Image}
		}
		return unpack(t, name)
	}))
	o := once.(func() original)()
	s := &scene{Cache: planter.Open(t, o.cache.Copy())}
	for _, b := range o.back {
		s.back = append(s.back, b.Copy())
	}
	s.main = s.Image
	return s
}

// unpack opens the files of an image for reading. They go with the test that was first; what is open stays readable.
func unpack(t testing.TB, name string) (o original) {
	img := imgtest.Open(t, name)
	for _, path := range img.Paths() {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if dev := planter.NewImage(f, info.Size()); filepath.Base(path) == "cache.img" {
			o.cache = dev
		} else {
			o.back = append(o.back, dev)
		}
	}
	return o
}

// check runs fsck over the scene, and makes sure that it wrote nothing and that the report holds together.
func (s *scene) check(t testing.TB) *fsck.Report {
	t.Helper()
	r, err := s.run(t)
	if err != nil {
		t.Fatalf("error: %v", err)
	}
	return r
}

func (s *scene) run(t testing.TB) (*fsck.Report, error) {
	t.Helper()
	all := append([]*planter.Image{s.main}, s.back[:s.give]...)
	var sums []string
	var devs []fsck.Device
	for i, m := range all {
		sums = append(sums, m.Sum())
		devs = append(devs, fsck.Device{Name: "dev" + string(rune('0'+i)), R: m, Size: m.Size(), LogicalBlock: 512})
	}
	devs[0].LogicalBlock = max(512, s.logical)
	r, err := fsck.Run(context.Background(), devs[0], devs[1:], fsck.Options{Now: now, Verify: s.verify})
	for i, m := range all {
		if m.Sum() != sums[i] {
			t.Errorf("the check wrote to %s", devs[i].Name)
		}
	}
	if err == nil {
		holdsTogether(t, r)
	}
	return r, err
}

// holdsTogether checks what is true of every report.
func holdsTogether(t testing.TB, r *fsck.Report) {
	t.Helper()
	damaged := false
	for _, f := range r.Findings {
		if row := finding.Lookup(f.Code); f.Severity != row.Severity {
			t.Errorf("%s is a %s, the table says %s", f.Code, f.Severity, row.Severity)
		}
		if f.Message == "" || strings.Contains(f.Message, "%!") || strings.Contains(f.Message, "\n") {
			t.Errorf("%s: message %q", f.Code, f.Message)
		}
		damaged = damaged || f.Severity == finding.Damage
	}
	if want := map[bool]string{false: fsck.Clean, true: fsck.Damaged}[damaged]; r.Result != want {
		t.Errorf("result %s, want %s", r.Result, want)
	}
	if r.Type == "cache" {
		b := r.Summary.Buckets
		if b.Free+b.Clean+b.Dirty+b.Metadata != b.Total {
			t.Errorf("bucket counts do not add up: %+v", b)
		}
	}
}

// codes are those of a report, each once, in order.
func codes(r *fsck.Report) (out []finding.Code) {
	for _, f := range r.Findings {
		out = append(out, f.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A damage is something wrong with a device, planted, and what must be found.
type damage struct {
	name  string
	base  string
	plant func(s *scene)
	want  []finding.Code // all of them: not one more
}

func (d damage) test(t *testing.T) {
	t.Run(d.name, func(t *testing.T) {
		t.Parallel()
		s := open(t, d.base)
		d.plant(s)
		want := slices.Sorted(slices.Values(d.want))
		r := s.check(t)
		if got := codes(r); !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
			for _, f := range r.Findings[:min(len(r.Findings), 40)] {
				t.Logf("  %s %s %s", f.Code, f.Severity, f.Message)
			}
		}
	})
}

// What damages are planted in: nothing is wrong with any of it, with backing devices or without.
func TestSoundImages(t *testing.T) {
	for _, name := range bases(t) {
		for _, give := range []int{0, 9} {
			s := open(t, name)
			s.give, s.verify = min(give, len(s.back)), give > 0
			if name == "empty-registered" {
				s.give = 0 // its backing device was never attached
			}
			r := s.check(t)
			if want, ok := oddities[name]; ok && slices.Equal(codes(r), []finding.Code{want}) {
				continue
			}
			if len(r.Findings) > 0 || r.Result != fsck.Clean {
				t.Errorf("%s: %s, %d findings, first %s", name, r.Result, len(r.Findings), r.Findings[0].Message)
			}
		}
	}
}

// oddities are what made images are made for.
var oddities = map[string]finding.Code{"made-tiny-buckets": finding.SBPages, "made-large-buckets": finding.SPGcSectors}

func bases(t testing.TB) []string {
	names := imgtest.Names(t)
	for name := range made {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Shorthands for the tables.
type sectors = ondisk.Sector

var le = binary.LittleEndian
