// SPDX-License-Identifier: GPL-2.0-only

// Package imgtest gives tests private copies of the images in testdata/images, which the Linux kernel made, and what
// the kernel said of them (Facts). Tests alone may import it.
//
// A copy is sparse: what was never written is a hole, so that a device of 256 MiB with a tenth of it in use costs a
// tenth. The copies of one test binary come from one unpacked original, which is an unlinked file: it vanishes with
// the process, whatever its end.
package imgtest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// An Image is a private copy of a cache device and of the backing devices that belong to it.
type Image struct {
	Name    string
	Dir     string   // of the copy: a t.TempDir
	Cache   string   // path of cache.img
	Backing []string // paths of back0.img, back1.img and so on

	t testing.TB
}

// Root is the folder of the module. It fails the test if the test does not run inside it.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("imgtest: no go.mod above the working directory")
		}
		dir = up
	}
}

// envImages names a folder of images that AllNames gives instead of those of testdata, each in a folder of its own: to
// try what is not kept here, from another kernel or another load.
const envImages = "BCTL_IMAGES"

// Elsewhere reports whether the images are not those of testdata, so that nothing is known of them beforehand.
func Elsewhere() bool { return os.Getenv(envImages) != "" }

// Folder is where the packed image and its console.txt stand.
func Folder(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv(envImages); dir != "" {
		if other := filepath.Join(dir, name); filepath.Base(other) == "*" || exists(other) {
			return other
		}
	}
	return filepath.Join(Root(t), "testdata", "images", name)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// usual are the images that hold one ordinary state each, with room in the journal. The others are odd in some way.
var usual = []string{"empty-registered", "fifo-full", "two-backing-flash", "writeback-crash", "writeback-dirty"}

// Names are the images for a test that wants them to be ordinary, in order.
func Names(t testing.TB) []string {
	t.Helper()
	for _, name := range usual {
		if _, err := os.Stat(Folder(t, name)); err != nil {
			t.Fatalf("imgtest: %v", err)
		}
	}
	return slices.Clone(usual)
}

// AllNames are all images, the odd ones too: journals almost full, placeholders, detached volumes, version 5. It fails
// the test if there are none.
func AllNames(t testing.TB) []string {
	t.Helper()
	packed, err := filepath.Glob(filepath.Join(Folder(t, "*"), "cache.img.zst"))
	if err != nil || len(packed) == 0 {
		t.Fatalf("imgtest: no images under %s (%v)", Folder(t, ""), err)
	}
	for i, p := range packed {
		packed[i] = filepath.Base(filepath.Dir(p))
	}
	slices.Sort(packed)
	return packed
}

// Open gives the test its own copy of the image. It may be written to; it is removed with the test.
func Open(t testing.TB, name string) *Image {
	t.Helper()
	img := &Image{Name: name, Dir: t.TempDir(), t: t}
	from := Folder(t, name)
	img.Cache = filepath.Join(img.Dir, "cache.img")
	if err := unpackTo(img.Cache, filepath.Join(from, "cache.img.zst")); err != nil {
		t.Fatalf("imgtest: %v", err)
	}
	for i := 0; ; i++ {
		file := fmt.Sprintf("back%d.img", i)
		packed := filepath.Join(from, file+".zst")
		if _, err := os.Stat(packed); err != nil {
			return img
		}
		img.Backing = append(img.Backing, filepath.Join(img.Dir, file))
		if err := unpackTo(img.Backing[i], packed); err != nil {
			t.Fatalf("imgtest: %v", err)
		}
	}
}

// File is the cache of an image, open until the test ends, and its size in bytes.
func File(t testing.TB, name string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(Open(t, name).Cache)
	if err != nil {
		t.Fatalf("imgtest: %v", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatalf("imgtest: %v", err)
	}
	return f, info.Size()
}

// Paths are the cache device and the backing devices, as a command line names them.
func (img *Image) Paths() []string { return append([]string{img.Cache}, img.Backing...) }

// Sum changes when any byte of the image, or the size of one of its files, does.
func (img *Image) Sum() string {
	img.t.Helper()
	sums := sha256.New()
	for _, path := range img.Paths() {
		fmt.Fprintln(sums, SumFile(img.t, path))
	}
	return hex.EncodeToString(sums.Sum(nil))
}

// SumFile is Sum for one file. It reads data only, not holes, and is the same whether zeros are written or a hole.
func SumFile(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	fmt.Fprintln(h, size)
	err = eachData(f, size, func(off int64, b []byte) error {
		fmt.Fprintln(h, off)
		h.Write(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Read returns n bytes of the cache device.
func (img *Image) Read(off int64, n int) []byte {
	img.t.Helper()
	return Read(img.t, img.Cache, off, n)
}

// Write puts b on the cache device.
func (img *Image) Write(off int64, b []byte) { img.t.Helper(); Write(img.t, img.Cache, off, b) }

// Flip turns one bit of the cache device over.
func (img *Image) Flip(off int64, bit uint) { img.t.Helper(); Flip(img.t, img.Cache, off, bit) }

// Edit hands n bytes of the cache device to change, and writes back what it made of them.
func (img *Image) Edit(off int64, n int, change func(b []byte)) {
	img.t.Helper()
	b := img.Read(off, n)
	change(b)
	img.Write(off, b)
}

// Uint64 is a little-endian word of the cache device.
func (img *Image) Uint64(off int64) uint64 {
	img.t.Helper()
	return binary.LittleEndian.Uint64(img.Read(off, 8))
}

// PutUint64 writes a little-endian word of the cache device.
func (img *Image) PutUint64(off int64, v uint64) {
	img.t.Helper()
	img.Write(off, binary.LittleEndian.AppendUint64(nil, v))
}

// Truncate cuts the cache device off, or makes it longer by a hole.
func (img *Image) Truncate(size int64) {
	img.t.Helper()
	if err := os.Truncate(img.Cache, size); err != nil {
		img.t.Fatal(err)
	}
}

// Read returns n bytes of a file.
func Read(t testing.TB, path string, off int64, n int) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatalf("%s: %d bytes at %d: %v", path, n, off, err)
	}
	return b
}

// Write puts b into a file that is there already.
func Write(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.WriteAt(b, off); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Flip turns one bit of a file over.
func Flip(t testing.TB, path string, off int64, bit uint) {
	t.Helper()
	b := Read(t, path, off, 1)
	b[0] ^= 1 << bit
	Write(t, path, off, b)
}

// Case is a private copy of a file of testdata/cases, unpacked if it is packed. It returns its path.
func Case(t testing.TB, name string) string {
	t.Helper()
	return Private(t, filepath.Join("cases", name))
}

// Private is a private copy of a file below testdata, unpacked if it is packed. It returns its path.
func Private(t testing.TB, name string) string {
	t.Helper()
	from := filepath.Join(Root(t), "testdata", name)
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	var err error
	if _, missing := os.Stat(from); missing != nil {
		err = unpackTo(path, from+".zst")
	} else {
		var b []byte
		if b, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
	}
	if err != nil {
		t.Fatalf("imgtest: %v", err)
	}
	return path
}
