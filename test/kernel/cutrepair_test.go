// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	passes "bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
)

// cutsOfEach is how many states of a repair that was cut, between any two of its flushes, are given to the kernel.
const cutsOfEach = 3

// looseLeaves takes the root from a tree of two levels: what the repair has are orphaned leaves and the journal, which it
// streams into new nodes.
func looseLeaves(t *testing.T, img *imgtest.Image) {
	spoil(t, img, func(c *inspect.Cache, write func(int64, []byte)) {
		if c.Journal.Newest.Level != 1 {
			t.Fatalf("%s: the root is at level %d", img.Name, c.Journal.Newest.Level)
		}
		write(c.Journal.Newest.BtreeRoot.Ptr[0].Offset().Bytes(), make([]byte, 512))
	})
}

// TestCutRepairs cuts the power of a repair that makes the whole tree anew: after some of its writes, with some of those
// that were not flushed, torn. Run again it must come to what it would have come to, and the kernel show the volume as it
// was before the damage.
func TestCutRepairs(t *testing.T) {
	t.Parallel()
	k := needKernel(t, Series[1])
	img := imgtest.Open(t, "detached-reattached")
	looseLeaves(t, img)
	states := cutStates(t, img)
	var disks []Disk
	script := ""
	for i, s := range states {
		if out, code := bctl(t, append([]string{"fsck", "-y", "--no-undo", "--quiet"}, s.img.Paths()...)...); code != 1 && code != 0 {
			t.Errorf("%s: fsck -y: exit %d\n%s", s.name, code, out)
		}
		disks = append(disks, imageDisks(s.img, i)...)
		script += fmt.Sprintf("case_ s%[1]d\nregister c%[1]d\nfacts c%[1]d\ndump c%[1]d c%[1]d\nregister b%[1]d.0\nwait_for attached b%[1]d.0\nsums b%[1]d.0\nklog\nstop_all\n", i)
	}
	r := Boot{Kernel: k, Disks: disks, Script: script}.Run(t)
	for i, s := range states {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			c := r.Case(fmt.Sprint("s", i))
			for _, line := range c.Complaints() {
				t.Errorf("%s: the kernel: %s", s.name, line)
			}
			check := fsck(t, s.img.Paths()...)
			if check.Code != 0 {
				t.Errorf("%s: fsck: exit %d, %v", s.name, check.Code, check.Damage())
			}
			compareRegistered(t, s.img.Cache, check, c, fmt.Sprint("c", i))
			if got := c.Fact(fmt.Sprintf("sum.b%d.0", i)); got != volumeSum(img.Name, 0) {
				t.Errorf("%s: the kernel reads %s", s.name, got)
			}
		})
	}
}

// A cutState is a set whose cache was being repaired when the power went.
type cutState struct {
	name string
	img  *imgtest.Image
}

// cutStates are some of those that a cut can leave, from the first to the last.
func cutStates(t *testing.T, img *imgtest.Image) (states []cutState) {
	t.Helper()
	var devs []passes.Device
	for _, path := range img.Paths() {
		dev := openDevice(t, path)
		devs = append(devs, passes.Device{Name: path, R: dev, Size: dev.Size(), LogicalBlock: 512})
	}
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{})
	if err != nil || r.Plans[0] == nil || r.After.Result == passes.Damaged {
		t.Fatalf("not repaired: %v", err)
	}
	before := powercut.New(devs[0].R, devs[0].Size)
	done := before.Fork()
	if err := r.Plans[0].Run(done); err != nil {
		t.Fatal(err)
	}
	var names []string
	epochs := map[string][]string{}
	for name := range done.Cuts(before, 2) {
		epoch, _, _ := strings.Cut(name, ",")
		names, epochs[epoch] = append(names, name), append(epochs[epoch], name)
	}
	take := map[string]bool{}
	for _, of := range epochs {
		for i := range cutsOfEach {
			take[of[len(of)*(2*i+1)/(2*cutsOfEach)]] = true
		}
	}
	for name, cut := range done.Cuts(before, 2) {
		if !take[name] {
			continue
		}
		b, err := io.ReadAll(io.NewSectionReader(cut, 0, cut.Size()))
		if err != nil {
			t.Fatal(err)
		}
		out := copyOf(t, img)
		if err := errors.Join(os.Remove(out.Cache), saveSparse(out.Cache, b)); err != nil {
			t.Fatal(err)
		}
		states = append(states, cutState{name, out})
	}
	t.Logf("%d writes and flushes, %d states, %d of them tried", len(done.Events()), len(names), len(states))
	return states
}
