// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/journal"
	"bctl/internal/lab/imgtest"
)

// undone is an image before and after a command, and the command's undo file.
type undone struct {
	img   *imgtest.Image
	sum   string // of the cache before
	after string
	file  string
	// The blocks that were written, as they were and as they are: every prio set, then the entry.
	blocks []writtenBlock
}

type writtenBlock struct {
	off      int64
	old, new []byte
}

// rewritten runs rewrite-prios on an image.
func rewritten(t *testing.T, name string) *undone {
	t.Helper()
	u := &undone{img: imgtest.Open(t, name), file: filepath.Join(t.TempDir(), "undo")}
	c := look(t, u.img.Cache)
	for _, b := range rewriteJSON(t, "--dry-run", u.img.Cache).Prio {
		u.blocks = append(u.blocks, writtenBlock{off: c.Geo.Start(b).Bytes(), old: u.img.Read(c.Geo.Start(b).Bytes(), int(c.Geo.MetaSectors.Bytes()))})
	}
	at := c.Journal.Live[len(c.Journal.Live)-1]
	at.Offset += c.Geo.Blocks(at.Bytes) // no shared image's newest entry is the last of its bucket
	off := c.Journal.Sector(at).Bytes()
	u.blocks = append(u.blocks, writtenBlock{off: off, old: u.img.Read(off, int(c.Geo.BlockSectors.Bytes()))})
	u.sum = imgtest.SumFile(t, u.img.Cache)
	out := rewriteJSON(t, "--undo", u.file, u.img.Cache)
	u.after = imgtest.SumFile(t, u.img.Cache)
	if *out.UndoFile != u.file || u.after == u.sum {
		t.Fatalf("%+v", out)
	}
	for i := range u.blocks {
		w := &u.blocks[i]
		if w.new = u.img.Read(w.off, len(w.old)); bytes.Equal(w.old, w.new) {
			t.Fatalf("%s: nothing was written at byte %d", name, w.off)
		}
	}
	return u
}

func (u *undone) restored(t *testing.T, what string) {
	t.Helper()
	if r := bctl("undo", u.file, u.img.Cache); r.Code != 0 || r.Stderr != "" {
		t.Errorf("%s: %+v", what, r)
	}
	if imgtest.SumFile(t, u.img.Cache) != u.sum {
		t.Errorf("%s: not everything is back", what)
	}
}

// Byte for byte (on every image: TestRewritePrios); -n changes nothing; once more does no harm.
func TestUndoRestores(t *testing.T) {
	u := rewritten(t, "writeback-crash")
	r := bctl("undo", "-n", u.file, u.img.Cache)
	if r.Code != 0 || !strings.Contains(r.Stdout, "2 would be restored") || imgtest.SumFile(t, u.img.Cache) != u.after {
		t.Errorf("dry run: %+v", r)
	}
	u.restored(t, "once")
	u.restored(t, "again")
	// What was undone can be done: the same buckets, the same entry.
	second := filepath.Join(t.TempDir(), "second")
	rewriteJSON(t, "--undo", second, u.img.Cache)
	if imgtest.SumFile(t, u.img.Cache) != u.after {
		t.Error("done again it differs")
	}
	u.restored(t, "done again")
}

func TestUndoJSON(t *testing.T) {
	u := rewritten(t, "empty-registered")
	r := bctl("undo", "-n", "--json", u.file, u.img.Cache)
	for _, want := range []string{`"command": "rewrite-prios"`, `"blocks": 2`, `"dry_run": true`, `"created": "20`} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("no %s in %s%s", want, r.Stdout, r.Stderr)
		}
	}
}

// The command that is undone was cut off: in its first block, between the steps, in the entry. So was an undo.
func TestUndoOfCutOff(t *testing.T) {
	u := rewritten(t, "writeback-crash")
	set, entry := u.blocks[0], u.blocks[1]
	half := len(set.new) / 2
	put := func(b writtenBlock, data []byte) { u.img.Write(b.off, data) }
	for _, c := range []struct {
		name string
		set  []byte
		jset []byte
	}{
		{"nothing written", set.old, entry.old},
		{"a torn set", append(bytes.Clone(set.new[:half]), set.old[half:]...), entry.old},
		{"the other half", append(bytes.Clone(set.old[:half]), set.new[half:]...), entry.old},
		{"the set", set.new, entry.old},
		{"a torn entry", set.new, append(bytes.Clone(entry.new[:512]), entry.old[512:]...)},
		{"all", set.new, entry.new},
		{"the entry alone, of an undo that lost its flush", set.old, entry.new},
	} {
		put(set, c.set)
		put(entry, c.jset)
		u.restored(t, c.name)
	}
}

// Whatever is not the device as it was left, or not the file as it was written, is refused, and nothing is written.
func TestUndoRefuses(t *testing.T) {
	u := rewritten(t, "empty-registered")
	whole := mustRead(t, u.file)
	file := func(name string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	edited := bytes.Replace(whole, []byte(`"offset_bytes":`), []byte(`"offset_bytes":1`), 1)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1000] ^= 1
	for _, c := range []struct{ what, path, says string }{
		{"truncated", file("truncated", whole[:len(whole)-1]), "not a whole undo file"},
		{"only a head", file("head", whole[:200]), "not a whole undo file"},
		{"empty", file("empty", nil), "not a whole undo file"},
		{"edited head", file("edited", edited), "not a whole undo file"},
		{"edited data", file("flipped", flipped), "not a whole undo file"},
		{"another file", u.img.Backing[0], "not a whole undo file"},
		{"missing", file("x", nil) + "missing", "no such file"},
		{"a directory", t.TempDir(), "it is a directory"},
	} {
		apptest.WantLine(t, c.what, bctl("undo", c.path, u.img.Cache), app.ExitCannot, c.path+": ", c.says)
	}
	if imgtest.SumFile(t, u.img.Cache) != u.after {
		t.Error("a refused undo wrote")
	}

	// The kernel writes the superblock when it registers a cache, and then behind the newest journal entry.
	c := look(t, u.img.Cache)
	entry := u.blocks[len(u.blocks)-1]
	next := journal.Entry{Ring: (c.Journal.Live[len(c.Journal.Live)-1].Ring + 1) % c.Geo.NJournal}
	for _, test := range []struct {
		what string
		off  int64
	}{
		{"superblock written", 4096 + 100},
		{"journal went on", entry.off + int64(len(entry.new))},
		{"next journal bucket", c.Journal.Sector(next).Bytes()},
		{"new set changed", u.blocks[0].off + 5000},
		{"entry changed", entry.off + 16},
	} {
		u.img.Flip(test.off, 2)
		for _, dry := range [][]string{nil, {"-n"}} {
			apptest.WantLine(t, test.what, bctl(append([]string{"undo", u.file, u.img.Cache}, dry...)...), app.ExitCannot,
				u.img.Cache+": not the device it was made for, or changed since: at byte ")
		}
		u.img.Flip(test.off, 2)
		if imgtest.SumFile(t, u.img.Cache) != u.after {
			t.Fatalf("%s: a refused undo wrote", test.what)
		}
	}
	other := imgtest.Open(t, "writeback-crash")
	sum := imgtest.SumFile(t, other.Cache)
	apptest.WantLine(t, "another device", bctl("undo", u.file, other.Cache), app.ExitCannot, "not the device it was made for")
	apptest.WantLine(t, "its backing device", bctl("undo", u.file, u.img.Backing[0]), app.ExitCannot, "not the device it was made for")
	if imgtest.SumFile(t, other.Cache) != sum {
		t.Error("another device was written")
	}
	for _, args := range []string{"undo", "undo a b c"} {
		apptest.WantLine(t, args, bctl(strings.Fields(args)...), app.ExitUsage, "want an undo file and a device")
	}
	u.restored(t, "after all refusals")
}

// The newest undo file that applies is found by itself, and --list says how each stands.
func TestUndoFinds(t *testing.T) {
	dir := apptest.StateIn(t)
	img := imgtest.Open(t, "empty-registered")
	sum := imgtest.SumFile(t, img.Cache)
	states := func() string {
		var out struct {
			Files []struct{ State, Command, Device, File string } `json:"undo_files"`
		}
		r := bctl("undo", "--list", "--json", img.Cache)
		if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		s := ""
		for _, f := range out.Files {
			if f.Command != "rewrite-prios" || f.Device != img.Cache || filepath.Dir(f.File) != dir {
				t.Errorf("%+v", f)
			}
			s += f.State + "; "
		}
		return s
	}
	if got := states(); got != "" {
		t.Error(got)
	}
	rewriteJSON(t, img.Cache)
	middle := imgtest.SumFile(t, img.Cache)
	rewriteJSON(t, img.Cache)
	if got := states(); got != "applies; superseded; " {
		t.Error(got)
	}
	if r := bctl("undo", img.Cache); r.Code != 0 || imgtest.SumFile(t, img.Cache) != middle || states() != "taken back; applies; " {
		t.Errorf("%+v, %s", r, states())
	}
	if r := bctl("undo", img.Cache); r.Code != 0 || imgtest.SumFile(t, img.Cache) != sum {
		t.Errorf("%+v", r)
	}
	apptest.WantLine(t, "nothing left", bctl("undo", img.Cache), app.ExitCannot, img.Cache+": no undo file for it: ")
	if r := bctl("undo", "--list"); r.Code != 0 || !strings.Contains(r.Stdout, "taken back") || !strings.Contains(r.Stdout, img.Cache) {
		t.Errorf("%+v", r)
	}
}
