// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/disk/plan"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/internal/lab/truth"
)

// envPreen is how many random damages TestRapidPreen tries.
const envPreen = "BCTL_REPAIR_PREEN"

// Whatever is damaged wherever, once or twice: a repair that may be made unasked ends with exit code 0, 1 or 4, and what
// it writes leaves every dirty sector that the undamaged set had, with the same bytes.
func TestRapidPreen(t *testing.T) {
	for name, value := range map[string]string{
		"rapid.checks": strconv.Itoa(envInt(t, envPreen, 16)), "rapid.shrinktime": "5s", "rapid.nofailfile": "true",
	} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	names := imgtest.AllNames(t)
	truths, places := map[string]*truth.Truth{}, map[string]map[string][]spot{}
	ends := map[string]int{}
	newest := map[string]int64{}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(names).Draw(rt, "image")
		s := scenes.Open(t, name)
		if truths[name] == nil {
			is, err := truthOf(allOf(s))
			if err != nil {
				t.Fatal(err)
			}
			truths[name], places[name] = is, spots(s)
			if all := s.Entries(); len(all) > 0 {
				newest[name] = all[len(all)-1].Sector.Bytes()
			}
		}
		torn := false
		for i := range rapid.IntRange(1, 2).Draw(rt, "damages") {
			kind := rapid.SampledFrom(kindsOf(places[name])).Draw(rt, fmt.Sprintf("structure %d", i))
			at := rapid.SampledFrom(places[name][kind]).Draw(rt, fmt.Sprintf("place %d", i))
			how := rapid.SampledFrom(hits).Draw(rt, fmt.Sprintf("how %d", i))
			rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, fmt.Sprintf("bytes %d", i)), 7))
			torn = torn || at.back < 0 && at.off == newest[name]
			on(s.Image, s.Back, at).Edit(at.off, int(at.n), func(b []byte) { how.do(rnd, b) })
		}
		ends[preen(rt, truths[name], allOf(s), torn)]++
	})
	t.Logf("%v", ends)
}

// on is the device of a scene that a spot of another scene of the same image is on.
func on(cache *planter.Image, back []*planter.Image, at spot) *planter.Image {
	if at.back < 0 {
		return cache
	}
	return back[at.back]
}

// preen repairs devices as -p does, and says how that ends, as the command does. Where the newest journal entry was hit,
// nothing may tell of it, as after a power cut: what it alone told was not to be read before either.
func preen(t *rapid.T, was *truth.Truth, devs []fsck.Device, torn bool) (end string) {
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: now}})
	if err != nil {
		return "8, nothing written"
	}
	end, bad := preened(r, was, devs, torn)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	return end
}

// preened says how a repair ends that may be made unasked, and what is wrong with it.
func preened(r *repair.Result, was *truth.Truth, devs []fsck.Device, torn bool) (end string, bad verdict) {
	switch {
	case r.Before != nil && len(codes(r.Before)) == 0:
		for i, p := range r.Plans {
			if p != nil {
				bad.Add("nothing is damaged, and device %d is written to", i)
			}
		}
		return "0", bad
	case len(codes(r.After)) > 0 || r.Loses() != "":
		return "4", nil
	}
	if torn {
		return "1, the newest entry was hit", nil
	}
	if !slices.ContainsFunc(r.Plans, func(p *plan.Plan) bool { return p != nil }) {
		bad.Add("nothing is written of a repair that ends well")
	}
	done := after(r, devs)
	is, err := truthOf(done)
	if err != nil {
		return "", verdict{err.Error()}
	}
	below := func(inode uint32) io.ReaderAt {
		for i := range was.Backing {
			if a, ok := was.InodeOf(i); ok && a == inode {
				return devs[i+1].R
			}
		}
		return nil
	}
	for i := range was.Backing {
		a, attached := was.InodeOf(i)
		if b, still := is.InodeOf(i); attached && slices.ContainsFunc(was.Volumes[a], truth.Place.Dirty) && (!still || a != b) {
			bad.Add("-p: backing device %d is no longer volume %d; %q", i, a, r.Evidence)
		}
	}
	for inode, v := range was.Volumes {
		for at, p := range v {
			var q truth.Place
			if at < len(is.Volumes[inode]) {
				q = is.Volumes[inode][at]
			}
			if p.Dirty() && q == 0 && below(inode) != nil && truth.Same(devs[0].R, p, below(inode), truth.Place(at), nil, 0) {
				continue // the backing device has it too
			}
			if p.Dirty() && (q == 0 || !q.Dirty() || !truth.Same(devs[0].R, p, done[0].R, q, nil, 0)) {
				bad.Add("-p: volume %d: dirty sector %d is lost: %v then %v; %v, %q", inode, at, p.At(), q.At(), r.Repaired(), r.Evidence)
				return "1", bad
			}
		}
	}
	return "1", bad
}
