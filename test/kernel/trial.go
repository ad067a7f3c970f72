// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// trialsPerBoot is how many damaged sets a boot gets at most, and no more than a resumed machine has disks for: with a hundred
// of them it runs out of memory. After one that ended early the
// next gets fewer, for what a kernel dies of comes in a row.
const trialsPerBoot = 12

// A trial is a damaged set that is registered, read and stopped, and what came of it.
type trial struct {
	damages.Damage
	said *Case
}

// runTrials lets a kernel try damages in turn, up to limit in a boot. A boot ends with the first one that the kernel
// dies of, hangs on, or warns about: the next one starts a boot of its own.
func runTrials(t *testing.T, k Kernel, list []damages.Damage, limit int) (done []trial) {
	t.Helper()
	for most := limit; len(list) > 0; {
		n := min(len(list), most)
		tried := bootTrials(t, k, list[:n])
		if len(tried) < n {
			most = max(2, len(tried))
		} else {
			most = min(2*most, limit)
		}
		list = list[len(tried):]
		done = append(done, tried...)
	}
	return done
}

// bootTrials is one boot: the first of the list, and as many more as the kernel came to.
func bootTrials(t *testing.T, k Kernel, list []damages.Damage) (done []trial) {
	t.Helper()
	dir, err := os.MkdirTemp("", "bctl-trials-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var disks []Disk
	var script strings.Builder
	for i, d := range list {
		set := saveScene(t, d, filepath.Join(dir, fmt.Sprint(i)), i)
		if i > 0 && len(disks)+len(set)+2 > savedDisks {
			list = list[:i]
			break
		}
		disks = append(disks, set...)
		fmt.Fprintf(&script, "case_ t%d\ntrial", i)
		for _, disk := range set {
			script.WriteString(" " + disk.Name)
		}
		script.WriteString("\n")
	}
	r := Boot{Kernel: k, Disks: disks, Script: script.String(), MayDie: true}.Run(t)
	for i, d := range list {
		c := r.Case(fmt.Sprintf("t%d", i))
		if len(c.Facts) == 0 {
			break
		}
		if _, ok := c.Facts["tried"]; !ok {
			c.Log = append(c.Log, deaths(r.Console)...)
		}
		done = append(done, trial{d, c})
	}
	if len(done) == 0 {
		t.Fatalf("linux %s came to no trial\nconsole:\n%s", k.Series, tail(r.Console))
	}
	return done
}

// deaths are the lines of a console about what ended the machine.
func deaths(console string) (lines []string) {
	for line := range strings.Lines(console) {
		if isDeath(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func openScene(t *testing.T, d damages.Damage) *damages.Scene {
	t.Helper()
	return scenes.Open(t, d.Base)
}

// saveScene plants a damage and writes the devices of the set to files: first the cache, if it is there.
func saveScene(t *testing.T, d damages.Damage, path string, n int) (disks []Disk) {
	t.Helper()
	s := openScene(t, d)
	d.Plant(s)
	save := func(m *planter.Image, name string) {
		file := path + "." + name
		if err := m.Save(file); err != nil {
			t.Fatal(err)
		}
		disks = append(disks, Disk{Name: name, Path: file, Snapshot: true, Logical: s.Logical, Broken: m.Broken()})
	}
	if s.Main != s.Image {
		save(s.Main, fmt.Sprintf("b%d", n))
		return disks
	}
	save(s.Image, fmt.Sprintf("c%d", n))
	for i, b := range s.Back {
		save(b, fmt.Sprintf("b%d.%d", n, i))
	}
	return disks
}
