// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/scenes"
)

// Every live entry that a kernel wrote may stand in the ring, and is found again with two or three bits flipped, or a word
// damaged; one that is torn is not.
func TestSoughtJset(t *testing.T) {
	for _, name := range []string{"writeback-crash-mid", "discard-random", "detached-crash"} {
		s := scenes.Open(t, name)
		c, err := inspect.Open(context.Background(), s.Image, s.Super(), inspect.Options{Size: s.Image.Size(), Sink: func(finding.Finding) {}})
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(5, 6))
		for n, e := range s.Entries() {
			if e.Seq < s.Newest().LastSeq {
				continue
			}
			raw := s.Bytes(e.Sector.Bytes(), e.Bytes)
			if !mayStand(c, raw) {
				t.Errorf("%s: entry %d may not stand there", name, e.Seq)
			}
			bad := bytes.Clone(raw)
			inBody := func() int { return 32 + rnd.IntN(len(bad)-32) } // behind the count
			switch n % 3 {
			case 0:
				at := inBody() / 8 * 8
				for i := range 8 {
					bad[at+i] ^= byte(1 + rnd.IntN(255))
				}
			default:
				for i := range 1 + n%3 { // each in a part of its own
					bad[32+(len(bad)-32)*i/3+rnd.IntN((len(bad)-32)/3)] ^= 1 << rnd.IntN(8)
				}
			}
			if got := soughtJset(c, bad); !bytes.Equal(got, raw) && ondisk.MendJset(bad, c.Geo.SetMagic) == nil {
				t.Errorf("%s: entry %d is not found again", name, e.Seq)
			}
			torn := bytes.Clone(raw)
			clear(torn[len(torn)/2:])
			if got := soughtJset(c, torn); got != nil && !bytes.Equal(got, raw) {
				t.Errorf("%s: entry %d, torn, became another", name, e.Seq)
			}
		}
	}
}
