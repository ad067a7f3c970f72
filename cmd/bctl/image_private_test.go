// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// private is what of an image must not be in what is given away: its names, as bytes and as text, the magics that
// follow from the set's, and what was cached. invalid is how many slots say that they are invalid.
func private(t *testing.T, img *imgtest.Image) (hidden map[string][]byte, invalid int) {
	t.Helper()
	hidden = map[string][]byte{}
	name := func(what string, u ondisk.UUID) {
		if !u.IsZero() && u != ondisk.InvalidUUID {
			hidden[what], hidden[what+" as text"] = u[:], []byte(u.String())
		}
	}
	label := func(what string, l [32]byte) {
		if s := superblock.Label(l); s != "" {
			hidden[what+" label "+s] = []byte(s)
		}
	}
	for i, path := range img.Paths() {
		s, err := ondisk.DecodeSuper(imgtest.Read(t, path, ondisk.SuperOffset, ondisk.SuperSize))
		if err != nil {
			t.Fatal(err)
		}
		name(fmt.Sprint("uuid of device ", i), s.UUID)
		name(fmt.Sprint("set of device ", i), s.SetUUID)
		label(fmt.Sprint("device ", i), s.Label)
	}
	c := look(t, img.Cache)
	for i := range c.UUIDs {
		if c.UUIDs[i].UUID == ondisk.InvalidUUID {
			invalid++
		}
		if c.UUIDs.State(uint32(i)) == uuids.Valid {
			name(fmt.Sprint("slot ", i), c.UUIDs[i].UUID)
		}
		label(fmt.Sprint("slot ", i), c.UUIDs[i].Label)
	}
	journal := c.Journal.Sector(*last(c.Journal.Live)).Bytes()
	hidden["the journal's magic"] = img.Read(journal+8, 8)
	hidden["the btree's magic"] = img.Read(c.Journal.Newest.BtreeRoot.Ptr[0].Offset().Bytes()+8, 8)
	hidden["the prios' magic"] = img.Read(c.Geo.Start(c.Chain.Links[0].Bucket).Bytes()+8, 8)
	hidden["the set's first half"] = binary.LittleEndian.AppendUint64(nil, c.Geo.SetMagic)
	n := 0
	for e := range extentsOf(t, img.Cache) {
		if n++; !e.Live || e.Ptrs() == 0 || n%97 > 0 {
			continue
		}
		b := img.Read(e.Ptr[0].Offset().Bytes(), 512)
		for ; len(b) > 16; b = b[16:] {
			if bytes.Count(b[:16], []byte{0}) < 3 { // no small numbers, which are everywhere
				hidden[fmt.Sprint("data of ", e.Bkey)] = b[:16]
				break
			}
		}
	}
	return hidden, invalid
}

func last[T any](list []T) *T { return &list[len(list)-1] }

// Nothing of a sanitized image of any cache tells whose it is, or what was cached.
func TestImagePrivate(t *testing.T) {
	for _, name := range imgtest.AllNames(t) {
		img := imgtest.Open(t, name)
		hidden, invalid := private(t, img)
		for _, sanitize := range []bool{true, false} {
			if !sanitize && name != "two-backing-flash" && name != "version5" {
				continue
			}
			file := filepath.Join(t.TempDir(), "c.bimg")
			args := []string{"image", img.Cache, "-o", file}
			for _, b := range img.Backing {
				args = append(args, "--with", b)
			}
			if !sanitize {
				args = append(args, "--no-sanitize")
			}
			if r := bctl(args...); r.Code != 0 {
				t.Fatalf("%+v", r)
			}
			packed, plain := unpacked(t, file)
			shows := 0
			for what, b := range hidden {
				if !bytes.Contains(plain, b) && !bytes.Contains(packed, b) {
					continue
				}
				if shows++; sanitize {
					t.Errorf("%s: %s is in the image", name, what)
				}
			}
			if !sanitize && shows < 6 {
				t.Errorf("%s: of what it is not to hide it shows %d", name, shows)
			}
			if n := bytes.Count(plain, ondisk.InvalidUUID[:]); n < invalid {
				t.Errorf("%s: %d slots are invalid, of %d", name, n, invalid)
			}
		}
	}
}

// unpacked is a metadata image, as it is and as zstd unpacks it.
func unpacked(t *testing.T, file string) (packed, plain []byte) {
	t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(dec); err != nil {
		t.Fatal(err)
	}
	return packed, b.Bytes()
}
