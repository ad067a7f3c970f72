package journal

import (
	"bytes"
	"os"
	"testing"

	"bctl/internal/finding"
	"bctl/internal/imgtest"
	"bctl/internal/ondisk"
	"bctl/superblock"
)

// Every entry of the kernel's journals, the leftovers of older laps too, decodes and encodes to the same bytes; the
// uuid bucket that the newest one names does so too; and nothing is found wrong.
func TestImages(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		f, err := os.Open(imgtest.Open(t, name).Cache)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := superblock.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		g, err := superblock.NewGeometry(s)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Scan(f, &g, 2, func(f finding.Finding) { t.Errorf("%s: %s %s", name, f.Code, f.Message) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, e := range l.Entries {
			j, err := l.Read(e)
			if err != nil {
				t.Errorf("%s: entry %d: %v", name, e.Seq, err)
				continue
			}
			sameAt(t, f, l.Sector(e), j.Append(nil))
		}
		uuids := make([]byte, g.MetaSectors.Bytes())
		at := l.Newest.UUIDBucket.Ptr[0].Offset()
		if _, err := f.ReadAt(uuids, at.Bytes()); err != nil {
			t.Fatal(err)
		}
		us := ondisk.DecodeUUIDs(uuids, l.Newest.Version)
		if len(us) != g.NrUUIDs() {
			t.Errorf("%s: %d uuid slots, want %d", name, len(us), g.NrUUIDs())
		}
		var out []byte
		for _, u := range us {
			out = u.Append(out)
		}
		sameAt(t, f, at, out)
		if want := seqs(l.Live); l.Newest.Seq != want[len(want)-1] || l.Newest.LastSeq != want[0] {
			t.Errorf("%s: live %v, newest %d from %d on", name, want, l.Newest.Seq, l.Newest.LastSeq)
		}
	}
}

func sameAt(t *testing.T, f *os.File, at ondisk.Sector, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, at.Bytes()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s, sector %d: encodes to something else (%v)", f.Name(), at, err)
	}
}
