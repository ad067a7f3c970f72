// SPDX-License-Identifier: GPL-2.0-only

// Package scenes gives tests scenes for damage: private copies of the kernel's images and of the caches that the
// catalogue makes itself. It is apart from the catalogue because the images are for tests alone.
package scenes

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
)

// originals are the images, opened or made once for the whole test binary.
var originals sync.Map // of name to func() original

type original struct {
	cache *planter.Image
	back  []*planter.Image
}

// Open makes a scene of a kernel's image, or of a made one.
func Open(tb testing.TB, name string) *damages.Scene {
	tb.Helper()
	once, _ := originals.LoadOrStore(name, sync.OnceValue(func() original {
		if build, ok := damages.Made[name]; ok {
			return original{cache: build(tb).Image}
		}
		return unpack(tb, name)
	}))
	o := once.(func() original)()
	var back []*planter.Image
	for _, b := range o.back {
		back = append(back, b.Copy())
	}
	return damages.New(planter.Open(tb, o.cache.Copy()), back...)
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
	for name := range damages.Made {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
