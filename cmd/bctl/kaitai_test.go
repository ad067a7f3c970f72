// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bctl/cmd/bctl/app/apptest"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/internal/lab/imgtest"
)

// kaitaiPackages are what compiles docs/bcache.ksy and runs what comes of it.
var kaitaiPackages = []string{"kaitai-struct-compiler@0.11.0", "kaitai-struct@0.11.0", "js-yaml@4.1.0"}

// A ksyJob is a structure that kaitai.js is to read.
type ksyJob struct {
	File  string `json:"file"`
	Type  string `json:"type"`
	At    int64  `json:"at"`
	Bytes int64  `json:"bytes"`
	Block int64  `json:"block"`
}

// ksyRead reads structures by docs/bcache.ksy: a third reader beside bctl and the kernel.
func ksyRead(t *testing.T, jobs []ksyJob) [][]byte {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile("testdata/kaitai.js")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kaitai.js"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	install := exec.Command("npm", append([]string{"install", "--prefix", dir, "--no-audit", "--no-fund", "--no-save", "--silent"}, kaitaiPackages...)...)
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm install: %v: %s", err, out)
	}
	var in bytes.Buffer
	for _, job := range jobs {
		line, _ := json.Marshal(job) // it holds what JSON can
		in.Write(append(line, '\n'))
	}
	cmd := exec.Command("node", filepath.Join(dir, "kaitai.js"), filepath.Join(imgtest.Root(t), "docs", "bcache.ksy"))
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != len(jobs) {
		t.Fatalf("%d answers to %d jobs", len(lines), len(jobs))
	}
	return lines
}

// What docs/bcache.ksy reads of the kernel's images is what bctl reads: every key of every node as show-btree --node
// shows it, the live journal, the prio chain, the slots and the superblocks.
func TestKaitai(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	var jobs []ksyJob
	var checks []func(answer []byte)
	add := func(job ksyJob, check func(answer []byte)) { jobs, checks = append(jobs, job), append(checks, check) }
	for _, name := range []string{"detached-reattached", "writeback-crash-mid", "version5", "fifo-full"} {
		img := imgtest.Open(t, name)
		for _, path := range img.Paths() {
			add(ksyJob{File: path, Type: "superblock", At: ondisk.SuperOffset, Bytes: ondisk.SuperSize}, func(answer []byte) { sameSuper(t, path, answer) })
		}
		dev, err := disk.Open(img.Cache)
		if err != nil {
			t.Fatal(err)
		}
		defer dev.Close()
		addCache(t, img.Cache, apptest.ReadCache(t, dev), add)
	}
	for i, answer := range ksyRead(t, jobs) {
		checks[i](answer)
	}
}

// decode reads an answer.
func decode(t *testing.T, answer []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%v: %.200s", err, answer)
	}
}

func sameSuper(t *testing.T, path string, answer []byte) {
	t.Helper()
	var got struct {
		Version  int
		UUID     string
		Set      string `json:"set_uuid"`
		NBuckets uint64
		Block    int
		Backing  bool
		Sync     bool
	}
	decode(t, answer, &got)
	var want struct {
		Type, UUID string
		Set        string `json:"set_uuid"`
		Version    int
		NBuckets   *uint64
		Block      int `json:"block_sectors"`
		Sync       *bool
	}
	decode(t, []byte(bctl("show-super", "-J", path).Stdout), &want)
	plain := func(u string) string { return strings.ReplaceAll(u, "-", "") }
	if got.Version != want.Version || got.UUID != plain(want.UUID) || got.Set != plain(want.Set) || got.Block != want.Block || got.Backing != (want.Type == "backing") {
		t.Errorf("%s: %+v, want %+v", path, got, want)
	}
	if !got.Backing && (got.NBuckets != *want.NBuckets || got.Sync != *want.Sync) {
		t.Errorf("%s: %+v", path, got)
	}
}

// A ksyKey is a key as kaitai.js has it: inode, end, size, dirty, pointers.
type ksyKey [5]any

// keyOf is a key in the same form.
func keyOf(k *ondisk.Bkey) ksyKey {
	ptrs := []any{}
	for _, p := range k.Ptr[:k.Ptrs()] {
		ptrs = append(ptrs, []any{float64(p.Dev()), float64(p.Offset()), float64(p.Gen())})
	}
	return ksyKey{float64(k.Inode()), strconv.FormatUint(uint64(k.Offset()), 10), float64(k.Size()), k.Dirty(), ptrs}
}

func addCache(t *testing.T, path string, c *inspect.Cache, add func(ksyJob, func([]byte))) {
	t.Helper()
	g := &c.Geo
	for n, err := range c.Nodes() {
		if err != nil {
			t.Fatal(err)
		}
		bucket, sector := n.Place(g)
		add(ksyJob{path, "node", sector.Bytes(), g.NodeSectors.Bytes(), g.BlockSectors.Bytes()}, func(answer []byte) { sameNode(t, path, bucket, answer) })
	}
	for _, e := range c.Journal.Live {
		j, err := c.Journal.Read(e)
		if err != nil {
			t.Fatal(err)
		}
		add(ksyJob{File: path, Type: "jset", At: c.Journal.Sector(e).Bytes(), Bytes: e.Bytes}, func(answer []byte) { sameEntry(t, path, j, answer) })
	}
	for _, l := range c.Chain.Links {
		add(ksyJob{File: path, Type: "prios", At: g.Start(l.Bucket).Bytes(), Bytes: g.MetaSectors.Bytes()}, func(answer []byte) {
			var got struct {
				Seq, Next uint64
				Entries   [][2]int
			}
			decode(t, answer, &got)
			if got.Seq != l.Seq || got.Next != uint64(l.Next) || len(got.Entries) != g.PriosPerBucket() {
				t.Errorf("%s: prio set %d, next %d, want %d, %d", path, got.Seq, got.Next, l.Seq, l.Next)
			}
			for i := range l.Count {
				if b := l.First + ondisk.Bucket(i); got.Entries[i] != [2]int{int(c.Buckets.Prio(b)), int(c.Buckets.DiskGen(b))} {
					t.Fatalf("%s: bucket %d: %v", path, b, got.Entries[i])
				}
			}
		})
	}
	at := c.Journal.Newest.UUIDBucket.Ptr[0].Offset()
	add(ksyJob{File: path, Type: "uuids", At: at.Bytes(), Bytes: g.MetaSectors.Bytes()}, func(answer []byte) {
		var got [][]any
		decode(t, answer, &got)
		if len(got) != len(c.UUIDs) {
			t.Fatalf("%s: %d slots, want %d", path, len(got), len(c.UUIDs))
		}
		for i, u := range c.UUIDs {
			want := []any{
				hex.EncodeToString(u.UUID[:]), hex.EncodeToString(u.Label[:]), float64(u.FirstReg), float64(u.LastReg),
				float64(u.Invalidated), float64(u.Flags), float64(u.Sectors),
			}
			if !reflect.DeepEqual(got[i], want) {
				t.Fatalf("%s: slot %d: %v, want %v", path, i, got[i], want)
			}
		}
	})
}

func sameEntry(t *testing.T, path string, want *ondisk.Jset, answer []byte) {
	t.Helper()
	var got struct {
		Seq     uint64
		LastSeq uint64 `json:"last_seq"`
		Level   uint16
		Prio    uint64
		Root    ksyKey
		UUIDs   ksyKey
		Keys    []ksyKey
	}
	decode(t, answer, &got)
	if got.Seq != want.Seq || got.LastSeq != want.LastSeq || got.Level != want.Level || got.Prio != want.PrioBucket[0] || len(got.Keys) != len(want.Keys) ||
		!reflect.DeepEqual(got.Root, keyOf(&want.BtreeRoot.Bkey)) || !reflect.DeepEqual(got.UUIDs, keyOf(&want.UUIDBucket.Bkey)) {
		t.Fatalf("%s: entry %d: %+v", path, want.Seq, got)
	}
	for i := range want.Keys {
		if !reflect.DeepEqual(got.Keys[i], keyOf(&want.Keys[i])) {
			t.Fatalf("%s: entry %d: %v, want %v", path, want.Seq, got.Keys[i], want.Keys[i].String())
		}
	}
}

// sameNode compares a node's keys with those of show-btree --node.
func sameNode(t *testing.T, path string, bucket ondisk.Bucket, answer []byte) {
	t.Helper()
	var got []struct {
		Seq   string
		Words int
		Keys  []ksyKey
	}
	decode(t, answer, &got)
	var want struct {
		Sets []struct {
			Seq         string
			Words, Keys int
		}
		Keys []struct {
			Bset, N  int
			Inode    uint32
			End      json.Number `json:"end_sector"`
			Sectors  uint64
			Dirty    bool
			Pointers []struct{ Dev, Sector, Gen uint64 }
		}
	}
	decode(t, []byte(bctl("show-btree", "--json", "--node", fmt.Sprint(bucket), path).Stdout), &want)
	if len(got) != len(want.Sets) {
		t.Fatalf("%s: node %d: %d bsets, show-btree has %d", path, bucket, len(got), len(want.Sets))
	}
	total := 0
	for i, s := range got {
		seq, err := hex.DecodeString(s.Seq)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(seq)
		if "0x"+hex.EncodeToString(seq) != want.Sets[i].Seq || s.Words != want.Sets[i].Words || len(s.Keys) != want.Sets[i].Keys {
			t.Fatalf("%s: node %d: bset %d: seq %x, %d words, %d keys; show-btree has %+v", path, bucket, i, seq, s.Words, len(s.Keys), want.Sets[i])
		}
		total += len(s.Keys)
	}
	if total != len(want.Keys) {
		t.Fatalf("%s: node %d: %d keys, show-btree has %d", path, bucket, total, len(want.Keys))
	}
	for _, k := range want.Keys {
		ptrs := []any{}
		for _, p := range k.Pointers {
			ptrs = append(ptrs, []any{float64(p.Dev), float64(p.Sector), float64(p.Gen)})
		}
		is := ksyKey{float64(k.Inode), k.End.String(), float64(k.Sectors), k.Dirty, ptrs}
		if !reflect.DeepEqual(got[k.Bset].Keys[k.N], is) {
			t.Fatalf("%s: node %d: key %d of bset %d: %v, show-btree has %v", path, bucket, k.N, k.Bset, got[k.Bset].Keys[k.N], is)
		}
	}
}
