// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The set whose writes are recorded: small buckets, so that garbage is collected, the tree splits and the journal
// laps; but not few of them, for the kernel hangs where the journal is short (see nearlyFull).
var cutCase = formatCase{name: "cut", block: "4k", bucket: "8k", policy: "lru", size: 33 * mib, backing: 8 * mib, writeback: true, ops: 500}

const (
	cutPoints   = 50 // on each kernel
	cutsPerBoot = 13 // more disks make a boot slow
)

// A cut is the state of the devices after a crash at some write.
type cut struct {
	name        string
	cache, back string
}

// TestCuts records every write of a workload, from the first registration on, and looks at the devices as they would
// be had the power failed at any of many points: with all writes up to there, or with those that were flushed and some
// of the rest. bctl must find each clean, and read what the kernel reads after its recovery.
func TestCuts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k Kernel) {
		log, base, disk := record(t, k)
		defer log.close()
		cuts := cutAll(t, log, base, disk)
		all := len(cuts)
		cuts = slices.DeleteFunc(cuts, func(c cut) bool { return nearlyFull(t, c) })
		t.Logf("%d log entries, %d cuts, %d of them with a journal the kernel may hang on", len(log.Entries), all, all-len(cuts))
		for len(cuts) > 0 {
			n := min(len(cuts), cutsPerBoot)
			judgeCuts(t, k, cuts[:n])
			cuts = cuts[n:]
		}
	})
}

// nearlyFull reports whether almost the whole journal is live. Such a cut is bctl's to check alone: registering it
// hangs Linux 6.1 and 6.12 now and then, for the allocator needs the journal before there is room in it.
func nearlyFull(t *testing.T, c cut) bool {
	t.Helper()
	check := fsck(t, c.cache, c.back)
	if check.Code != 0 {
		t.Errorf("%s: fsck: exit %d, %v", c.name, check.Code, check.Damage())
	}
	return check.has("JR19")
}

// record runs the workload on a joint disk, and returns the log and the disk as it was before.
func record(t *testing.T, k Kernel) (log *writeLog, base []byte, disk jointDisk) {
	t.Helper()
	dir := t.TempDir()
	cache, back := cutCase.make(t, dir)
	disk = jointDisk{cutCase.size, cutCase.backing}
	base = disk.assemble(t, cache, back)
	path, logPath := filepath.Join(dir, "disk.img"), filepath.Join(dir, "log")
	if err := saveSparse(path, base); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`register d1 d2
attach d2 d1
tune d1 d2
write_back d2
d=/dev/$(bcache d2)
guest write "$d" %s
guest read "$d" seed=2,ops=60,max=16384,block=4096
guest write "$d" seed=4,ops=60,max=8192,block=4096,sync
guest write "$d" seed=5,ops=400,max=32768,block=4096
dirty d2
klog
stop_all
`, cutCase.work())
	r := Boot{Kernel: k, Disks: []Disk{{Name: "d", Path: path, Log: logPath}}, Script: script}.Run(t)
	for _, line := range r.Case("").Complaints() {
		if !strings.Contains(line, firstRegistration) {
			t.Errorf("the kernel: %s", line)
		}
	}
	log, err := openLog(logPath)
	if err != nil {
		t.Fatal(err)
	}
	return log, base, disk
}

// cutAll makes the cuts, spread evenly over the log.
func cutAll(t *testing.T, log *writeLog, base []byte, disk jointDisk) (cuts []cut) {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	whole := append([]byte(nil), base...) // all entries up to the point
	flushed := append([]byte(nil), base...)
	done, safe := 0, 0
	for i := range cutPoints {
		point := len(log.Entries) * (i + 1) / cutPoints
		done = applyTo(t, log, whole, done, point)
		if i%2 == 0 {
			cuts = append(cuts, saveCut(t, dir, fmt.Sprintf("at-%d", point), whole, disk))
			continue
		}
		safe = applyTo(t, log, flushed, safe, log.lastFlush(point))
		torn := append([]byte(nil), flushed...)
		for n := safe; n < point; n++ {
			if log.Entries[n].is(logFUA) || r.IntN(2) == 0 {
				applyTo(t, log, torn, n, n+1)
			}
		}
		cuts = append(cuts, saveCut(t, dir, fmt.Sprintf("flushed-%d", point), torn, disk))
	}
	return cuts
}

// applyTo brings an image from entry n to entry end.
func applyTo(t *testing.T, log *writeLog, image []byte, n, end int) int {
	t.Helper()
	for ; n < end; n++ {
		if err := log.apply(image, n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func saveCut(t *testing.T, dir, name string, image []byte, disk jointDisk) cut {
	t.Helper()
	c := cut{name, filepath.Join(dir, name+".cache"), filepath.Join(dir, name+".back")}
	cache, back := disk.parts(image)
	for path, part := range map[string][]byte{c.cache: cache, c.back: back} {
		if err := saveSparse(path, part); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// judgeCuts lets the kernel register the cuts in turn, for they are one set, and compares.
func judgeCuts(t *testing.T, k Kernel, cuts []cut) {
	t.Helper()
	var disks []Disk
	var script strings.Builder
	for i, c := range cuts {
		cache, back := fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i)
		disks = append(disks, Disk{Name: cache, Path: c.cache, Snapshot: true}, Disk{Name: back, Path: c.back, Snapshot: true})
		fmt.Fprintf(&script, "case_ %[1]s\nregister %[2]s\nfacts %[2]s\ndump cache %[2]s\nregister %[3]s\npieces %[3]s\nklog\nstop_all\n",
			c.name, cache, back)
	}
	r := Boot{Kernel: k, Disks: disks, Script: script.String(), Timeout: 5 * time.Minute}.Run(t)
	for i, c := range cuts {
		t.Run(c.name, func(t *testing.T) {
			said := r.Case(c.name)
			if said.replayFailed() {
				t.Skip("the kernel refused to replay a journal it had written itself (see replayFailed)")
			}
			for _, line := range said.Complaints() {
				if !strings.Contains(line, firstRegistration) {
					t.Errorf("the kernel: %s", line)
				}
			}
			check := fsck(t, c.cache, c.back)
			if check.Code != 0 {
				t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
			}
			compareContents(t, c.cache, c.back, said.Map(fmt.Sprintf("piece.b%d", i)))
			compareVolumes(t, check, said.Map("dump.cache"))
			if said.Fact("tree_depth.c"+fmt.Sprint(i)) != fmt.Sprint(check.Summary.Btree.Depth) {
				t.Errorf("tree depth %d, the kernel's %s", check.Summary.Btree.Depth, said.Fact("tree_depth.c"+fmt.Sprint(i)))
			}
		})
		if t.Failed() {
			keep(t, c.cache, c.back)
		}
	}
}

// keep copies files of a failed test to where the next run does not remove them, if BCTL_KERNEL_TEST_KEEP names it.
func keep(t *testing.T, paths ...string) {
	t.Helper()
	dir := os.Getenv(envKeep)
	if dir == "" {
		t.Logf("set %s to a folder to keep the images of failed tests", envKeep)
		return
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_")+"."+filepath.Base(p)), b, 0o644)
		}
		if err != nil {
			t.Log(err)
		}
	}
}
