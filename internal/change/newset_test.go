// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

// A cut while a new set is written leaves a device that is none of bcache's, or the whole set.
func TestNewSetCut(t *testing.T) {
	const size = 16 << 20
	o := superblock.FormatOptions{UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2}, BlockSectors: 1, BucketSectors: 16}
	s, err := superblock.FormatCache(o, superblock.Device{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	p, err := change.NewSet(s, []ondisk.UUIDEntry{{UUID: ondisk.UUID{3}, FirstReg: 1, LastReg: 1}}, 1, 77)
	if err != nil {
		t.Fatal(err)
	}
	base := powercut.New(bytes.NewReader(make([]byte, size)), size)
	dev := base.Fork()
	if err := p.Run(dev); err != nil {
		t.Fatal(err)
	}
	if _, err := dev.WriteAt(s.Append(nil), ondisk.SuperOffset); err != nil {
		t.Fatal(err)
	}
	if err := dev.Sync(); err != nil {
		t.Fatal(err)
	}
	none, whole := 0, 0
	for name, cut := range dev.Cuts(base, 20) {
		rep, err := fsck.Run(context.Background(), fsck.Device{Name: name, R: cut, Size: size}, nil, fsck.Options{})
		switch {
		case errors.Is(err, superblock.ErrNotBcache):
			none++
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case rep.Result == fsck.Damaged && torn(rep):
			// the superblock's own block, torn below 4096 bytes: a bad checksum, and nothing was lost
		case rep.Result != fsck.Clean || len(rep.Summary.Volumes) != 1:
			t.Errorf("%s: %+v", name, rep)
		default:
			whole++
		}
	}
	if none == 0 || whole == 0 {
		t.Errorf("%d cuts leave nothing, %d a whole set", none, whole)
	}
}

func torn(rep *fsck.Report) bool {
	for _, f := range rep.Findings {
		if f.Code == "SB03" {
			return true
		}
	}
	return false
}

// A run of transactions without keys goes round the ring for ever: each retires the entries before it.
func TestRetireEmpty(t *testing.T) {
	const size = 16 << 20
	o := superblock.FormatOptions{UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2}, BlockSectors: 1, BucketSectors: 16}
	s, err := superblock.FormatCache(o, superblock.Device{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	p, err := change.NewSet(s, nil, 1, 77)
	if err != nil {
		t.Fatal(err)
	}
	dev := powercut.New(bytes.NewReader(make([]byte, size)), size)
	p.Then(plan.Write{Off: ondisk.SuperOffset, Data: s.Append(nil), What: "superblock"})
	if err := p.Run(dev); err != nil {
		t.Fatal(err)
	}
	ring := superblock.JournalCount(s.Nbuckets) * 16 // a block an entry
	for i := range 2*ring + 3 {
		c := opened(t, dev, s)
		if n := len(c.Journal.Live); n != 1 {
			t.Fatalf("after %d transactions %d entries are live", i, n)
		}
		tx, err := change.Begin(c)
		if err != nil {
			t.Fatalf("after %d transactions: %v", i, err)
		}
		tx.RetireEmpty()
		if _, _, err := tx.RewritePrios(); err != nil {
			t.Fatal(err)
		}
		p, err := tx.Commit()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(dev); err != nil {
			t.Fatal(err)
		}
	}
}

func opened(t *testing.T, dev *powercut.Device, s *ondisk.Super) *inspect.Cache {
	t.Helper()
	var found finding.Collector
	c, err := inspect.Open(context.Background(), dev, s, inspect.Options{Size: dev.Size(), Sink: found.Add})
	if err != nil || found.Damaged() {
		t.Fatalf("%v, %v", err, found.Findings())
	}
	return c
}
