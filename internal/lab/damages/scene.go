// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
)

// Now is a time behind that of all images, in seconds since 1970: what fsck is to take for the present.
const Now = 2000000000

// A Scene is a private copy of an image, to plant damage in, and how it is to be checked.
type Scene struct {
	*planter.Cache
	Back    []*planter.Image // the backing devices there are
	Give    int              // how many of them fsck gets
	Main    *planter.Image   // what is checked: the cache, unless the damage says otherwise
	Logical int              // logical block size of the device in bytes; 0: 512
	Verify  bool             // whether clean data are compared with the backing device's
}

// originals are the images, opened or made once for the whole test binary.
var originals sync.Map // of name to func() original

type original struct {
	cache *planter.Image
	back  []*planter.Image
}

// Open makes a scene of a kernel's image, or of a made one.
func Open(tb testing.TB, name string) *Scene {
	tb.Helper()
	once, _ := originals.LoadOrStore(name, sync.OnceValue(func() original {
		if build, ok := made[name]; ok {
			return original{cache: build(tb).Image}
		}
		return unpack(tb, name)
	}))
	o := once.(func() original)()
	s := &Scene{Cache: planter.Open(tb, o.cache.Copy())}
	for _, b := range o.back {
		s.Back = append(s.Back, b.Copy())
	}
	s.Main = s.Image
	return s
}

// unpack opens the files of an image for reading. They go with the test that was first; what is open stays readable.
func unpack(tb testing.TB, name string) (o original) {
	img := imgtest.Open(tb, name)
	for _, path := range img.Paths() {
		f, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			tb.Fatal(err)
		}
		if dev := planter.NewImage(f, info.Size()); filepath.Base(path) == "cache.img" {
			o.cache = dev
		} else {
			o.back = append(o.back, dev)
		}
	}
	return o
}

// Bases are the names that Open knows: the kernel's images and the made ones.
func Bases(tb testing.TB) []string {
	names := imgtest.Names(tb)
	for name := range made {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Shorthands for the tables.
type sectors = ondisk.Sector

var le = binary.LittleEndian
