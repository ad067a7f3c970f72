// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/inspect"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/lab/imgtest"
)

// rewriteOutput is what rewrite-prios --json tells.
type rewriteOutput struct {
	DryRun     bool            `json:"dry_run"`
	Prio       []ondisk.Bucket `json:"prio_buckets"`
	Old        []ondisk.Bucket `json:"old_prio_buckets"`
	PrioSeq    uint64          `json:"prio_seq"`
	JournalSeq uint64          `json:"journal_seq"`
	Rebuilt    int             `json:"rebuilt_buckets"`
	UndoFile   *string         `json:"undo_file"`
	Changes    []struct {
		Bucket ondisk.Bucket `json:"bucket"`
		Prio   int           `json:"prio"`
		Mark   string        `json:"mark"`
	} `json:"changes"`
}

func rewriteJSON(t *testing.T, args ...string) (out rewriteOutput) {
	t.Helper()
	r := bctl(append([]string{"rewrite-prios", "--json"}, args...)...)
	if r.Code != 0 || r.Stderr != "" {
		t.Fatalf("rewrite-prios %q: exit %d, %s", args, r.Code, r.Stderr)
	}
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// clean fails the test if fsck finds damage.
func clean(t *testing.T, what string, img *imgtest.Image) {
	t.Helper()
	if r := bctl(append([]string{"fsck", "-q"}, img.Paths()...)...); r.Code != 0 {
		t.Errorf("%s: fsck: exit %d\n%s%s", what, r.Code, r.Stdout, r.Stderr)
	}
}

// chainOf is the buckets of the prio chain.
func chainOf(t *testing.T, path string) (buckets []ondisk.Bucket) {
	t.Helper()
	var out struct {
		Sets []struct {
			Bucket ondisk.Bucket `json:"bucket"`
		} `json:"sets"`
	}
	r := bctl("show-prios", "--json", path)
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	for _, s := range out.Sets {
		buckets = append(buckets, s.Bucket)
	}
	return buckets
}

// On every image: a dry run writes nothing and tells what the real one does; that leaves a sound device; the next one
// differs only in its numbers. Undo brings every byte back.
func TestRewritePrios(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		dir := apptest.StateIn(t)
		img := imgtest.Open(t, name)
		before, old := imgtest.SumFile(t, img.Cache), chainOf(t, img.Cache)
		dry := rewriteJSON(t, "--dry-run", img.Cache)
		if imgtest.SumFile(t, img.Cache) != before || !dry.DryRun || dry.UndoFile != nil || len(apptest.UndoFiles(t, dir)) != 0 {
			t.Errorf("%s: a dry run wrote something: %+v", name, dry)
		}
		first := rewriteJSON(t, img.Cache)
		if fmt.Sprint(first.Prio, first.Old, first.PrioSeq, first.JournalSeq) != fmt.Sprint(dry.Prio, old, dry.PrioSeq, dry.JournalSeq) {
			t.Errorf("%s: %+v, the dry run said %+v", name, first, dry)
		}
		if files := apptest.UndoFiles(t, dir); first.DryRun || first.UndoFile == nil || len(files) != 1 || *first.UndoFile != files[0] {
			t.Errorf("%s: undo file %v, %v", name, first.UndoFile, files)
		}
		if got := chainOf(t, img.Cache); fmt.Sprint(got) != fmt.Sprint(first.Prio) {
			t.Errorf("%s: chain %v, want %v", name, got, first.Prio)
		}
		clean(t, name, img)
		if r := bctl("undo", *first.UndoFile, img.Cache); r.Code != 0 || imgtest.SumFile(t, img.Cache) != before {
			t.Errorf("%s: undo did not bring everything back: %+v", name, r)
		}
		if redone := rewriteJSON(t, "--no-undo", img.Cache); fmt.Sprint(redone.Prio, redone.JournalSeq) != fmt.Sprint(first.Prio, first.JournalSeq) {
			t.Errorf("%s: done again it differs: %+v", name, redone)
		}
		second := rewriteJSON(t, "--no-undo", img.Cache)
		if second.PrioSeq != first.PrioSeq+1 || second.JournalSeq != first.JournalSeq+1 || second.UndoFile != nil || len(apptest.UndoFiles(t, dir)) != 1 {
			t.Errorf("%s, again: %+v", name, second)
		}
		for _, c := range second.Changes {
			if c.Prio != ondisk.BtreePrio || c.Mark != "free" || !slices.Contains(second.Prio, c.Bucket) {
				t.Errorf("%s, again: changed %+v", name, c)
			}
		}
		clean(t, name+", again", img)
	}
}

// look opens the cache of a file.
func look(t *testing.T, path string) *inspect.Cache {
	t.Helper()
	dev, err := blockdev.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return apptest.ReadCache(t, dev)
}

// pointed is the bucket of the first extent that pred likes, and its gen.
func pointed(t *testing.T, path string, pred func(*inspect.Cache, *inspect.Extent) bool) (b ondisk.Bucket, gen uint8) {
	t.Helper()
	c := look(t, path)
	var mu sync.Mutex
	err := c.Walk(func(_ int, e *inspect.Extent) {
		mu.Lock()
		defer mu.Unlock()
		if pred(c, e) && e.Ptrs() > 0 {
			b = c.Geo.BucketOf(e.Ptr[0].Offset())
			gen = c.Buckets.Gen(b)
		}
	})
	if err != nil || b == 0 {
		t.Fatalf("no such extent: %v", err)
	}
	return b, gen
}

func spoilChain(t *testing.T, img *imgtest.Image) {
	t.Helper()
	c := look(t, img.Cache)
	img.Flip(c.Geo.Start(c.Chain.Links[0].Bucket).Bytes()+100, 3)
}

func spoilRoot(t *testing.T, img *imgtest.Image) {
	t.Helper()
	c := look(t, img.Cache)
	img.Flip(c.Journal.Newest.BtreeRoot.Ptr[0].Offset().Bytes()+10, 3) // of the magic
}

// fillJournal writes entries until the ring has one free bucket left and no room in the last.
func fillJournal(t *testing.T, img *imgtest.Image) {
	t.Helper()
	c := look(t, img.Cache)
	j, block := *c.Journal.Newest, c.Geo.BlockSectors
	j.Keys = nil
	newest, oldest := c.Journal.Live[len(c.Journal.Live)-1], c.Journal.Live[0]
	n := c.Geo.NJournal
	for ring := (newest.Ring + 1) % n; (oldest.Ring-ring+n)%n > 1; ring = (ring + 1) % n {
		for at := ondisk.Sector(0); at < c.Geo.BucketSectors; at += block {
			j.Seq++
			j.Seal(c.Geo.SetMagic)
			img.Write(c.Journal.Sector(journal.Entry{Ring: ring, Offset: at}).Bytes(), append(j.Append(nil), make([]byte, block.Bytes()-ondisk.JsetBytes)...))
		}
	}
}

// neverRegistered is what make-bcache leaves.
func neverRegistered(t *testing.T, img *imgtest.Image) {
	t.Helper()
	if r := bctl("format", "-C", img.Cache, "-b", "64k", "-w", "4k", "--wipe-bcache", "--force", "--discard-dirty", "--no-undo"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
}

// Every refusal has its exit code and names its reason in one line; it leaves the image byte for byte, and no file.
func TestRewritePriosRefuses(t *testing.T) {
	const empty, crash, fifo = "empty-registered", "writeback-crash", "fifo-full"
	images := map[string]*imgtest.Image{}
	for _, name := range []string{empty, crash, fifo} {
		images[name] = imgtest.Open(t, name)
	}
	dirty, dirtyGen := pointed(t, images[crash].Cache, func(_ *inspect.Cache, e *inspect.Extent) bool { return e.Live && e.Dirty() })
	stale, staleGen := pointed(t, images[fifo].Cache, func(c *inspect.Cache, e *inspect.Extent) bool {
		return e.Stale == 1 && c.Buckets.Mark(c.Geo.BucketOf(e.Ptr[0].Offset())) == inspect.Free
	})
	for _, c := range []struct {
		image, what string
		spoil       func(t *testing.T, img *imgtest.Image)
		args        string
		code        int
		says        string
	}{
		{crash, "dirty data lost", nil, fmt.Sprintf("--set %d:gen=%d", dirty, dirtyGen+1), 8, fmt.Sprintf("bucket %d: live dirty data would be lost: volume 0, sector ", dirty)},
		{fifo, "stale data back", nil, fmt.Sprintf("--set %d:gen=%d", stale, staleGen-1), 8, fmt.Sprintf("bucket %d: a stale pointer would come back to life: volume 0, sector ", stale)},
		{fifo, "too far ahead", nil, fmt.Sprintf("--set %d:gen=%d", stale, staleGen+96), 8, fmt.Sprintf("bucket %d: a pointer would be too far behind", stale)},
		{empty, "metadata", nil, "--set 10:gen=77", 8, "bucket 10: the bucket holds metadata: journal\nhint: --force does it all the same"},
		{empty, "bucket past the end", nil, "--set 5-99999:prio=1", 16, "buckets go from 1 to 2047"},
		{empty, "the superblock's bucket", nil, "--set 0:prio=1", 16, "buckets go from 1 to 2047"},
		{empty, "gen too large", nil, "--set 9:gen=256", 16, "bad or second gen"},
		{empty, "prio too large", nil, "--set 9:prio=65536", 16, "bad or second prio"},
		{empty, "gen twice", nil, "--set 9:gen=1,gen=2", 16, "bad or second gen"},
		{empty, "unknown key", nil, "--set 9:mark=1", 16, `unknown key "mark"`},
		{empty, "no value", nil, "--set 9:gen", 16, "bad or second gen"},
		{empty, "nothing to set", nil, "--set 9:", 16, `unknown key ""`},
		{empty, "no colon", nil, "--set 9", 16, "no colon"},
		{empty, "no bucket", nil, "--set x:gen=1", 16, "not a bucket or a range"},
		{empty, "range backwards", nil, "--set 9-8:gen=1", 16, "not a bucket or a range"},
		{empty, "two answers", nil, "--undo x --no-undo", 16, "--undo contradicts --no-undo"},
		{empty, "no file", nil, "--undo=", 16, "--undo: no file given"},
		{empty, "damaged chain", spoilChain, "", 8, "the prio chain is damaged, so some gens are unknown\nhint: --from-btree makes them anew"},
		{empty, "damaged tree", spoilRoot, "", 8, "damaged elsewhere, so nothing was written: BT"},
		{empty, "damaged tree", spoilRoot, "--from-btree --force", 8, "damaged elsewhere, so nothing was written: BT"},
		{empty, "journal full", fillJournal, "", 8, "journal full: let the kernel register the device once and stop it"},
		{empty, "never registered", neverRegistered, "", 8, "never registered: it has no prio chain yet"},
	} {
		dir := apptest.StateIn(t)
		img := images[c.image]
		if c.spoil != nil {
			img = imgtest.Open(t, c.image)
			c.spoil(t, img)
		}
		before := imgtest.SumFile(t, img.Cache)
		for _, dry := range []string{"", "--dry-run"} {
			args := append([]string{"rewrite-prios"}, strings.Fields(c.args+" "+dry)...)
			apptest.WantLine(t, c.what+" "+c.args+" "+dry, bctl(append(args, img.Cache)...), c.code, c.says)
		}
		if imgtest.SumFile(t, img.Cache) != before || len(apptest.UndoFiles(t, dir)) != 0 {
			t.Errorf("%s: it wrote all the same; undo files %v", c.what, apptest.UndoFiles(t, dir))
		}
	}
	apptest.WantLine(t, "a backing device", bctl("rewrite-prios", images[empty].Backing[0]), 8, "a backing device, it has no buckets")
}

// --force does what is refused without it, and what it sets is what the chain then says.
func TestRewritePriosSet(t *testing.T) {
	img := imgtest.Open(t, "fifo-full")
	apptest.StateIn(t)
	stale, gen := pointed(t, img.Cache, func(c *inspect.Cache, e *inspect.Extent) bool {
		return e.Stale == 1 && c.Buckets.Mark(c.Geo.BucketOf(e.Ptr[0].Offset())) == inspect.Free
	})
	live := look(t, img.Cache).Volumes[0].Extents
	rewriteJSON(t, "--force", "--set", fmt.Sprintf("%d:gen=%d,prio=77", stale, gen-1), "--set", "100-120:prio=5", "--set", "110:prio=6", img.Cache)
	c := look(t, img.Cache)
	if c.Buckets.DiskGen(stale) != gen-1 || c.Buckets.Prio(stale) != 77 || c.Volumes[0].Extents <= live {
		t.Errorf("gen %d, prio %d, %d live extents, %d before", c.Buckets.DiskGen(stale), c.Buckets.Prio(stale), c.Volumes[0].Extents, live)
	}
	for b := ondisk.Bucket(99); b <= 121; b++ {
		want := b >= 100 && b <= 120 && b != 110
		if (c.Buckets.Prio(b) == 5) != want || (c.Buckets.Prio(b) == 6) != (b == 110) {
			t.Errorf("bucket %d: prio %d", b, c.Buckets.Prio(b))
		}
	}
}

// A destroyed chain is made anew, the report says at what price, and undo brings back even the destroyed one.
func TestRewritePriosFromBtree(t *testing.T) {
	for _, name := range []string{"fifo-full", "writeback-crash"} {
		apptest.StateIn(t)
		img := imgtest.Open(t, name)
		dirty := dirtySectors(t, img)
		spoilChain(t, img)
		before := imgtest.SumFile(t, img.Cache)
		out := rewriteJSON(t, "--from-btree", img.Cache)
		clean(t, name, img)
		if n := int(look(t, img.Cache).Geo.NBuckets); out.Rebuilt != n || dirtySectors(t, img) != dirty {
			t.Errorf("%s: %d of %d gens rebuilt, %d dirty sectors, %d before", name, out.Rebuilt, n, dirtySectors(t, img), dirty)
		}
		again := rewriteJSON(t, "--from-btree", "--no-undo", img.Cache)
		if again.Rebuilt != 0 {
			t.Errorf("%s: %d gens rebuilt of a sound chain", name, again.Rebuilt)
		}
		if r := bctl("undo", *out.UndoFile, img.Cache); r.Code != app.ExitCannot {
			t.Errorf("%s: undone under a newer change: %+v", name, r)
		}
		if imgtest.SumFile(t, img.Cache) == before {
			t.Errorf("%s: nothing was written", name)
		}
	}
	img := imgtest.Open(t, "fifo-full")
	spoilChain(t, img)
	r := bctl("rewrite-prios", "--from-btree", "--dry-run", img.Cache)
	if !strings.Contains(r.Stdout, "1536 buckets: 0 dirty and 18 metadata kept, 1344 clean given up, 174 free") {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
}

func dirtySectors(t *testing.T, img *imgtest.Image) (n ondisk.Sector) {
	t.Helper()
	for _, v := range look(t, img.Cache).Volumes {
		n += v.DirtySectors
	}
	return n
}

// Whoever else has the device keeps a writer out; a look at it is no harm.
func TestRewritePriosInUse(t *testing.T) {
	dir := apptest.StateIn(t)
	img := imgtest.Open(t, "empty-registered")
	before := imgtest.SumFile(t, img.Cache)
	hold := exec.Command("flock", "--no-fork", img.Cache, "cat") // another process, until its input ends
	in, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Skip("no flock(1) here:", err)
	}
	defer hold.Wait()
	defer in.Close()
	if _, err := io.WriteString(in, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // now it has the lock
		t.Fatal(err)
	}
	apptest.WantLine(t, "locked", bctl("rewrite-prios", img.Cache), app.ExitCannot, img.Cache+": in use: locked by another program")
	if r := bctl("rewrite-prios", "--dry-run", img.Cache); r.Code != 0 {
		t.Errorf("dry run: %+v", r)
	}
	if imgtest.SumFile(t, img.Cache) != before || len(apptest.UndoFiles(t, dir)) != 0 {
		t.Error("it wrote all the same")
	}
}

func TestRewritePriosBlockDevice(t *testing.T) {
	apptest.StateIn(t)
	img := imgtest.Open(t, "writeback-crash")
	before := imgtest.SumFile(t, img.Cache)
	node := loopDevice(t, img.Cache)
	apptest.WantLine(t, "image under a loop device", bctl("rewrite-prios", img.Cache), app.ExitCannot, img.Cache+": in use: attached to "+node)
	claimed, err := os.OpenFile(node, os.O_RDONLY|syscall.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	apptest.WantLine(t, "claimed", bctl("rewrite-prios", node), app.ExitCannot, node+": in use: ")
	claimed.Close()
	if imgtest.SumFile(t, img.Cache) != before {
		t.Error("a refused device was written")
	}
	if r := bctl("rewrite-prios", "--dry-run", node); r.Code != 0 || r.Stderr != "" {
		t.Errorf("dry run: %+v", r)
	}
	undo := filepath.Join(t.TempDir(), "undo")
	udev := node + ": when it is closed, udev looks at it and may hand it to the kernel"
	if r := bctl("rewrite-prios", "--undo", undo, node); r.Code != 0 || !strings.Contains(r.Stderr, udev) {
		t.Errorf("%+v", r)
	}
	if r := bctl("fsck", "-q", node); r.Code != 0 {
		t.Errorf("%+v", r)
	}
	if r := bctl("undo", "-n", undo, node); r.Code != 0 || r.Stderr != "" {
		t.Errorf("%+v", r)
	}
	if r := bctl("undo", undo, node); r.Code != 0 || !strings.Contains(r.Stderr, udev) {
		t.Errorf("%+v", r)
	}
	if imgtest.SumFile(t, img.Cache) != before {
		t.Error("undo did not bring everything back")
	}
}

// Dirty data whose gens are lost are listed; where the backing device is given, what it holds is left stale, and the
// volume reads as before.
func TestRewritePriosComparesBacking(t *testing.T) {
	apptest.StateIn(t)
	type row struct {
		Inode   uint32
		UUID    *string
		Sectors ondisk.Sector `json:"dirty_sectors"`
	}
	type report struct {
		Unconfirmed []row
		LeftStale   []row `json:"left_stale"`
	}
	sum := func(rows []row) (n ondisk.Sector) {
		for _, r := range rows {
			if r.UUID == nil || r.Inode != 0 {
				t.Errorf("%+v", r)
			}
			n += r.Sectors
		}
		return n
	}
	run := func(args ...string) (out report) {
		t.Helper()
		r := bctl(append([]string{"rewrite-prios", "--from-btree", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || r.Code != 0 {
			t.Fatalf("%v: %+v", err, r)
		}
		return out
	}
	img := imgtest.Open(t, "writeback-crash")
	dirty := dirtySectors(t, img)
	spoilChain(t, img)
	alone := run("-n", img.Cache)
	if sum(alone.Unconfirmed) != dirty || len(alone.LeftStale) != 0 {
		t.Errorf("%d of %d dirty sectors are unconfirmed, %d left stale", sum(alone.Unconfirmed), dirty, sum(alone.LeftStale))
	}
	with := run(img.Cache, img.Backing[0])
	if sum(with.Unconfirmed)+sum(with.LeftStale) != dirty || sum(with.Unconfirmed) == 0 || dirtySectors(t, img) != sum(with.Unconfirmed) {
		t.Errorf("%d unconfirmed, %d left stale of %d; %d dirty now", sum(with.Unconfirmed), sum(with.LeftStale), dirty, dirtySectors(t, img))
	}
	clean(t, "with the backing device", img)
	if r := bctl("rewrite-prios", img.Cache, img.Backing[0]); r.Code != app.ExitUsage {
		t.Errorf("%+v", r)
	}
}

// A gen behind its pointers would not stay: registration takes the pointer's.
func TestRewritePriosGenBehind(t *testing.T) {
	img := imgtest.Open(t, "fifo-full")
	b, gen := pointed(t, img.Cache, func(c *inspect.Cache, e *inspect.Extent) bool {
		return e.Live && e.Ptr[0].Gen() > 0 && c.Buckets.Lag(c.Geo.BucketOf(e.Ptr[0].Offset())) == 0
	})
	r := bctl("rewrite-prios", "--set", fmt.Sprintf("%d:gen=%d", b, gen-1), img.Cache)
	if want := fmt.Sprintf("bucket %d: gen %d is behind a pointer, which has %d", b, gen-1, gen); r.Code != app.ExitCannot || !strings.Contains(r.Stderr, want) {
		t.Errorf("%+v, want %q", r, want)
	}
}
