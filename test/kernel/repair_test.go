// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"context"
	"os"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// spoil reads an image's cache and gives it to change, to write over what it likes.
func spoil(t *testing.T, img *imgtest.Image, change func(c *inspect.Cache, write func(off int64, b []byte))) {
	t.Helper()
	f, err := os.OpenFile(img.Cache, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := superblock.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c, err := inspect.Open(context.Background(), f, s, inspect.Options{Size: info.Size(), Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	change(c, func(off int64, b []byte) {
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	})
}

// lostSuper takes the superblock away and flips a bit of the root and of a prio set.
func lostSuper(t *testing.T, img *imgtest.Image) {
	spoil(t, img, func(c *inspect.Cache, write func(int64, []byte)) {
		flip := func(off int64) {
			b := img.Read(off, 1)
			write(off, []byte{b[0] ^ 8})
		}
		flip(c.Journal.Newest.BtreeRoot.Ptr[0].Offset().Bytes() + 45)
		flip(c.Geo.Start(c.Chain.Links[0].Bucket).Bytes() + 1000)
		write(ondisk.SuperOffset, make([]byte, 512))
	})
}

// wrongLevel makes the newest journal entry say what the tree is not, so that all metadata are made anew.
func wrongLevel(t *testing.T, img *imgtest.Image) {
	spoil(t, img, func(c *inspect.Cache, write func(int64, []byte)) {
		j := *c.Journal.Newest
		j.Level += 3
		b, err := j.Sealed(c.Geo.SetMagic)
		if err != nil {
			t.Fatal(err)
		}
		write(c.Journal.Sector(c.Journal.Live[len(c.Journal.Live)-1]).Bytes(), b)
	})
}

// repairImage lets fsck -y repair what was done to an image.
func repairImage(t *testing.T, img *imgtest.Image, done ...func(*testing.T, *imgtest.Image)) {
	t.Helper()
	for _, spoil := range done {
		spoil(t, img)
	}
	if out, code := bctl(t, append([]string{"fsck", "-y", "--no-undo", "--quiet"}, img.Paths()...)...); code != 1 {
		t.Fatalf("%s: fsck -y: exit %d\n%s", img.Name, code, out)
	}
}
