package transaction_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"bctl/fsck"
	"bctl/internal/ondisk"
	"bctl/internal/transaction"
	"bctl/superblock"
	"bctl/test/powercut"
)

// A cut while a new set is written leaves a device that is none of bcache's, or the whole set.
func TestNewSetCut(t *testing.T) {
	const size = 16 << 20
	o := superblock.FormatOptions{UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2}, BlockSectors: 1, BucketSectors: 16}
	s, err := superblock.FormatCache(o, superblock.Device{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	p, err := transaction.NewSet(s, []ondisk.UUIDEntry{{UUID: ondisk.UUID{3}, FirstReg: 1, LastReg: 1}}, 1, 77)
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
