// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	check "bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
)

// A part is a device within a disk, in bytes.
type part struct{ at, size int64 }

func (p part) of(image []byte) []byte { return image[p.at : p.at+p.size] }

// pairDamage is what fsck calls damage of a cache and a backing device on one disk.
func pairDamage(t *testing.T, image []byte, cache, back part) (list []string) {
	t.Helper()
	device := func(name string, p part) check.Device {
		return check.Device{Name: name, R: bytes.NewReader(p.of(image)), Size: p.size, LogicalBlock: 512}
	}
	rep, err := check.Run(context.Background(), device("cache", cache), []check.Device{device("back", back)}, check.Options{Now: damages.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Findings {
		if f.Severity == finding.Damage {
			list = append(list, string(f.Code)+" "+f.Message)
		}
	}
	return list
}

// TestOrderedLog boots nothing: it crashes a pair at every point of a log that Linux 6.1 left. None is damage.
func TestOrderedLog(t *testing.T) {
	const dir = "ordered/6.1"
	log, err := openLog(imgtest.Private(t, filepath.Join(dir, "log")))
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	image, err := os.ReadFile(imgtest.Private(t, filepath.Join(dir, "disk")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(imgtest.Private(t, filepath.Join(dir, "cuts.txt")))
	if err != nil {
		t.Fatal(err)
	}
	done, points := 0, 0
	for line := range strings.Lines(string(text)) {
		var n int
		var phase string
		if _, err := fmt.Sscan(line, &n, &phase); err != nil {
			t.Fatal(err)
		}
		done = applyTo(t, log, image, done, n)
		if points++; testing.Short() && points%3 > 0 && !strings.Contains(phase, "tach") {
			continue
		}
		for _, d := range pairDamage(t, image, part{2048 * 512, 32896 * 512}, part{36864 * 512, 12288 * 512}) {
			t.Errorf("after write %d (%s): %s", n, phase, d)
		}
	}
	if points != 219 {
		t.Errorf("%d points", points)
	}
}

var pairCase = formatCase{name: "pair", block: "4k", bucket: "32k", policy: "lru", size: 514 * 32 * kib, backing: 6 * mib, writeback: true, ops: 60}

// TestPairs records on one disk a pair that is attached, written to, detached and attached again, and crashes it at
// every write near one to a superblock, and at some others. None is damage. What it leaves out is writing in the tenth of
// a second in which the slot's journal entry waits: then a crash can leave the state dirty without a slot, and the kernel
// does not bring that device up (BD04).
func TestPairs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k Kernel) {
		dir := t.TempDir()
		cache, back := pairCase.make(t, dir)
		disk := jointDisk{pairCase.size, pairCase.backing}
		image := disk.assemble(t, cache, back)
		path, logPath := filepath.Join(dir, "disk.img"), filepath.Join(dir, "log")
		if err := saveSparse(path, image); err != nil {
			t.Fatal(err)
		}
		Boot{Kernel: k, Disks: []Disk{{Name: "d", Path: path, Log: logPath}}, Script: `register d1 d2
attach d2 d1
sleep 1
tune d1 d2
set_attr d2 cache_mode writeback
guest write "/dev/$(bcache d2)" ` + pairCase.work().String() + `
set_attr d2 label photos
set_attr d2 writeback_delay 0
write_back d2
guest write "/dev/$(bcache d2)" seed=4,ops=30,max=16384,block=4096
set_attr d2 detach 1
detached() { ! attached d2; }
patience=30 wait_for detached
attach d2 d1
sleep 1
set_attr d2 writeback_running 0
set_attr d2 cache_mode writeback
guest write "/dev/$(bcache d2)" seed=5,ops=30,max=16384,block=4096
stop_all
`}.Run(t)
		log, err := openLog(logPath)
		if err != nil {
			t.Fatal(err)
		}
		defer log.close()
		first, second := part{firstPartition, disk.cache}, part{firstPartition + disk.cache, disk.back}
		points := pairPoints(log, first, second)
		t.Logf("linux %s: %d writes, %d points", k.Series, len(log.Entries), len(points))
		if len(points) < 100 {
			t.Error("hardly anything was written")
		}
		done := 0
		for _, n := range points {
			done = applyTo(t, log, image, done, n)
			for _, d := range pairDamage(t, image, first, second) {
				t.Errorf("after write %d: %s", n, d)
			}
		}
	})
}

// pairPoints are the writes to crash after: those to a superblock with the eight before and behind each, and a hundred
// of the others.
func pairPoints(log *writeLog, devices ...part) (points []int) {
	for i := range log.Entries {
		e := &log.Entries[i]
		for _, d := range devices {
			if super := d.at + ondisk.SuperOffset; e.Off < super+ondisk.SuperSize && super < e.Off+e.Len {
				for n := max(i-7, 1); n <= min(i+9, len(log.Entries)); n++ {
					points = append(points, n)
				}
			}
		}
	}
	for i := 1; i <= 100; i++ {
		points = append(points, len(log.Entries)*i/100)
	}
	slices.Sort(points)
	return slices.Compact(points)
}
