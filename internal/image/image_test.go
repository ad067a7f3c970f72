// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/full"
	"bctl/internal/disk/metaimage"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// imageOf makes an image of a device and opens it. It is nil where there is no superblock to begin with.
func imageOf(t testing.TB, dev *planter.Image, logical int, raw bool) (*metaimage.Image, []byte) {
	t.Helper()
	src := &Source{Name: "cache", R: dev, Size: dev.Size(), LogicalBlock: logical}
	p, err := New(t.Context(), src, nil, Options{Sanitize: !raw, Rand: rand.NewChaCha8([32]byte{1})})
	if err != nil {
		return nil, nil
	}
	var out bytes.Buffer
	if err := p.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	m, err := metaimage.Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, out.Bytes()
}

// names are what differs in an image: uuids, labels, and numbers that follow from them.
var names = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+|"[Ll]abel":"[^"]*"|label (\\"[^"]*"|is no text: .*?"[},])|seq [0-9]{15,}`)

// checked is what fsck says of a device, all of it.
func checked(t testing.TB, s *damages.Scene, dev fsck.Device, named bool) string {
	t.Helper()
	dev.Name, dev.LogicalBlock = "cache", max(s.Logical, 512)
	rep, err := fsck.Run(context.Background(), dev, nil, fsck.Options{Now: damages.Now})
	if err != nil {
		return err.Error()
	}
	b, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	if !named {
		b = names.ReplaceAll(b, []byte("NAME"))
	}
	return string(b)
}

// Of a damaged cache an image has the same damage: every fifth of those that break an invariant, and all others.
func TestDamageStays(t *testing.T) {
	all := slices.Concat(damages.Tried, damages.Legal)
	for i, d := range damages.Proved() {
		if i%5 == 0 || strings.HasPrefix(d.Name, "U46") {
			all = append(all, d)
		}
	}
	for i, d := range all {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			s := scenes.Open(t, d.Base)
			d.Plant(s)
			if s.Main != s.Image || len(s.Broken()) > 0 {
				return // of a backing device there is a superblock, and what cannot be read is not there
			}
			for _, raw := range []bool{false, true}[:1+i%2] {
				m, _ := imageOf(t, s.Image, max(s.Logical, 512), raw)
				if m == nil {
					continue
				}
				want := checked(t, s, fsck.Device{R: s.Image, Size: s.Size()}, raw)
				got := checked(t, s, fsck.Device{R: m.View(0), Size: m.Devices[0].Size}, raw)
				if got != want {
					t.Errorf("raw %v:\nthe image %s\nthe device %s", raw, got, want)
				}
			}
		})
	}
}

// What a repair makes of a damaged cache it makes of its image too, restored onto zeroes.
func TestRepairOnImage(t *testing.T) {
	for _, d := range damages.Tried {
		s := scenes.Open(t, d.Base)
		d.Plant(s)
		if s.Main != s.Image || len(s.Broken()) > 0 {
			continue
		}
		m, _ := imageOf(t, s.Image, 512, false)
		if m == nil {
			continue
		}
		repaired := func(r io.ReaderAt) string {
			res, err := repair.Plan(t.Context(), fsck.Device{Name: "cache", R: r, Size: s.Size(), LogicalBlock: 512}, nil, repair.Options{Options: fsck.Options{Now: damages.Now}})
			if err != nil {
				return err.Error()
			}
			before, after := res.Damages()
			dirty := 0
			for _, l := range res.Lost {
				if l.Dirty {
					dirty += int(l.Count)
				}
			}
			return fmt.Sprintf("%d damages, then %d; %d dirty sectors lost", before, after, dirty)
		}
		if got, want := repaired(full.Known(m.View(0))), repaired(s.Image); got != want {
			t.Errorf("%s: the image %s, the device %s", d.Name, got, want)
		}
	}
}

// No name and no byte of what was cached is in an image, and none of the bytes that stood in unused blocks.
func TestNothingPrivate(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	m0 := s.Image
	for _, b := range []int64{s.Geo.Start(s.Geo.FirstBucket+3).Bytes() + 30*4096} { // a dead block of the ring
		m0.Put(b, bytes.Repeat([]byte("a secret that was here before. "), 140)[:4096])
	}
	data := s.Extent(func(k *ondisk.Bkey) bool { return k.Size() >= 8 }).Key
	secret := make([]byte, 64)
	for i := range secret {
		secret[i] = byte(i*7 + 1)
	}
	m0.Put(data.Ptr[0].Offset().Bytes(), secret)
	free := s.Geo.Blocks(1) // the end of the root
	m0.Put((s.Root().Sector() + s.Geo.NodeSectors - free).Bytes(), bytes.Repeat([]byte("a secret that was here before. "), 140)[:free.Bytes()])
	s.EditSlot(0, func(u *ondisk.UUIDEntry) { copy(u.Label[:], "my bank's volume\nold bytes") })

	m, packed := imageOf(t, m0, 512, false)
	all := make([]byte, 0, m.Bytes())
	for _, a := range m.Devices[0].Areas {
		b := make([]byte, a.Len)
		if _, err := m.View(0).ReadAt(b, a.Off); err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	sb := s.Super()
	hidden := map[string][]byte{"ring": []byte("a secret that"), "data": secret[:16], "label": []byte("my bank"), "old": []byte("old bytes"), "uuid": sb.UUID[:], "set": sb.SetUUID[:], "half set": sb.SetUUID[:8]}
	table, err := uuids.Read(m0, &s.Geo, s.Geo.Start(s.UUIDBucket()), 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range table {
		if uuids.StateOf(&u) == uuids.Valid {
			hidden[fmt.Sprint("slot ", i)] = u.UUID[:]
		}
	}
	for what, b := range hidden {
		if bytes.Contains(all, b) || bytes.Contains(packed, b) {
			t.Errorf("%s is in the image", what)
		}
	}
	if _, err := m.View(0).ReadAt(make([]byte, 512), data.Ptr[0].Offset().Bytes()); !errors.Is(err, full.ErrUnknown) {
		t.Errorf("data: %v", err)
	}
	if bytes.Contains(all, []byte{1, 8, 15, 22, 29}) {
		t.Error("data are in the image")
	}
}
