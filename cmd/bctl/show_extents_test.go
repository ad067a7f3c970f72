// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bctl/cmd/bctl/app/apptest"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
)

// An extentLine is a row of show-extents.
type extentLine struct {
	Volume *string
	Inode  uint32
	Start  int64 `json:"offset_sectors"`
	Size   int64 `json:"sectors"`
	Bucket int64
	Sector int64 `json:"cache_sector"`
	Gen    int
	Dirty  bool
}

// extentLines are the rows of show-extents in JSON, with the object around them.
func extentLines(t *testing.T, args ...string) (rows []extentLine, head map[string]any, code int) {
	t.Helper()
	got := bctl(append([]string{"show-extents", "--json"}, args...)...)
	var o struct{ Extents []extentLine }
	for _, to := range []any{&o, &head} {
		if err := json.Unmarshal([]byte(got.Stdout), to); err != nil {
			t.Fatalf("%v: %v: %s", args, err, got.Stderr)
		}
	}
	return o.Extents, head, got.Code
}

// What show-extents shows of every image adds up to what fsck counts, and is what the merged volume takes from the
// cache.
func TestShowExtentsAddsUp(t *testing.T) {
	for _, name := range imgtest.AllNames(t) {
		img := imgtest.Open(t, name)
		rows, head, code := extentLines(t, img.Cache)
		if code != 0 || head["complete"] != true {
			t.Errorf("%s: exit %d, complete %v", name, code, head["complete"])
		}
		var rep struct {
			Summary struct {
				Btree   struct{ Extents, Live_sectors int64 } //nolint:revive // as JSON has it
				Volumes []struct {
					Inode                       uint32
					UUID                        *string
					Live_sectors, Dirty_sectors int64 //nolint:revive // as JSON has it
				}
			}
		}
		if err := json.Unmarshal([]byte(bctl("fsck", "--json", img.Cache).Stdout), &rep); err != nil {
			t.Fatal(err)
		}
		all, live, dirty := int64(0), map[uint32]int64{}, map[uint32]int64{}
		for i, r := range rows {
			all += r.Size
			live[r.Inode] += r.Size
			if r.Dirty {
				dirty[r.Inode] += r.Size
			}
			if i > 0 && (rows[i-1].Inode > r.Inode || rows[i-1].Inode == r.Inode && rows[i-1].Start+rows[i-1].Size > r.Start) {
				t.Fatalf("%s: %+v behind %+v", name, r, rows[i-1])
			}
		}
		if int64(len(rows)) != rep.Summary.Btree.Extents || all != rep.Summary.Btree.Live_sectors {
			t.Errorf("%s: %d rows of %d sectors, fsck counts %+v", name, len(rows), all, rep.Summary.Btree)
		}
		for _, v := range rep.Summary.Volumes {
			if live[v.Inode] != v.Live_sectors || dirty[v.Inode] != v.Dirty_sectors {
				t.Errorf("%s: inode %d: %d live, %d dirty, fsck counts %+v", name, v.Inode, live[v.Inode], dirty[v.Inode], v)
			}
		}
		for _, back := range img.Backing {
			merged(t, img.Cache, back, rows)
		}
	}
}

// merged holds the rows against the volume of a backing device, which has what the kernel read (inspect/volume).
func merged(t *testing.T, cache, back string, rows []extentLine) {
	t.Helper()
	open := func(path string) disk.Device {
		d, err := disk.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	dev := open(back)
	v, err := volume.Backed(apptest.ReadCache(t, open(cache)), dev, dev.Size(), volume.Options{})
	if err != nil {
		return // not attached
	}
	const sector, data = 512, 16
	type run struct {
		from, at int64
		dirty    bool
	}
	got, want := map[run]int64{}, map[run]int64{} // of pieces, joined where they go on
	inode, attached := v.Attached()
	var last run
	for _, r := range rows {
		if !attached || r.Inode != inode {
			continue
		}
		if r.Start < data || (r.Start+r.Size)*sector > dev.Size() {
			t.Fatalf("%s: %+v is outside of the volume", back, r)
		}
		if n := got[last]; n > 0 && last.from+n == r.Start && last.at+n == r.Sector && last.dirty == r.Dirty {
			got[last] += r.Size
			continue
		}
		last = run{r.Start, r.Sector, r.Dirty}
		got[last] = r.Size
	}
	for s, err := range v.Spans() {
		if err != nil {
			t.Fatal(err)
		}
		if s.Source == volume.Cache {
			want[run{s.Off/sector + data, s.At / sector, s.Dirty}] = s.Len / sector
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d runs, the volume has %d", back, len(got), len(want))
	}
	for r, n := range want {
		if got[r] != n {
			t.Fatalf("%s: %+v: %d sectors, the volume has %d", back, r, got[r], n)
		}
	}
}

// The three formats have the same columns and the same values.
func TestShowExtentsFormats(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash").Cache
	rows, _, _ := extentLines(t, img)
	lines, err := csv.NewReader(strings.NewReader(bctl("show-extents", "--format", "csv", img).Stdout)).ReadAll()
	if err != nil || len(lines) != len(rows)+1 {
		t.Fatalf("%d lines, %d rows: %v", len(lines), len(rows), err)
	}
	table := strings.Split(strings.TrimSpace(bctl("show-extents", img).Stdout), "\n")
	if len(table) != len(lines) {
		t.Fatalf("a table of %d lines", len(table))
	}
	names := []string{"volume", "inode", "offset_sectors", "sectors", "bucket", "cache_sector", "gen", "dirty"}
	if !slices.Equal(lines[0], names) || !slices.Equal(strings.Fields(table[0]), names) {
		t.Errorf("%q, %q", lines[0], table[0])
	}
	for i, r := range rows {
		want := []string{*r.Volume, fmt.Sprint(r.Inode), fmt.Sprint(r.Start), fmt.Sprint(r.Size), fmt.Sprint(r.Bucket), fmt.Sprint(r.Sector), fmt.Sprint(r.Gen), strconv.FormatBool(r.Dirty)}
		if !slices.Equal(lines[i+1], want) {
			t.Fatalf("CSV %q, JSON %q", lines[i+1], want)
		}
		if want[7] = "no"; r.Dirty {
			want[7] = "yes"
		}
		if !slices.Equal(strings.Fields(table[i+1]), want) {
			t.Fatalf("table %q, JSON %q", table[i+1], want)
		}
	}
}

// The flags choose what a filter over all rows chooses.
func TestShowExtentsFilters(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash").Cache
	all, _, _ := extentLines(t, img)
	mid := all[len(all)/3]
	for _, test := range []struct {
		args []string
		want func(r extentLine) bool
	}{
		{[]string{"--inode", "1"}, func(r extentLine) bool { return r.Inode == 1 }},
		{[]string{"--inode", "7"}, func(extentLine) bool { return false }},
		{[]string{"--dirty"}, func(r extentLine) bool { return r.Dirty }},
		{[]string{"--bucket", fmt.Sprint(mid.Bucket)}, func(r extentLine) bool { return r.Bucket == mid.Bucket }},
		{[]string{"--bucket", "100-300", "--dirty"}, func(r extentLine) bool { return r.Dirty && r.Bucket >= 100 && r.Bucket <= 300 }},
		{
			[]string{"--inode", fmt.Sprint(mid.Inode), "--range", fmt.Sprint(mid.Start)},
			func(r extentLine) bool { return equalLines(r, mid) },
		},
		{
			[]string{"--inode", fmt.Sprint(mid.Inode), "--range", fmt.Sprintf("%d-%d", mid.Start+mid.Size-1, mid.Start+5000)},
			func(r extentLine) bool {
				return r.Inode == mid.Inode && r.Start+r.Size >= mid.Start+mid.Size && r.Start <= mid.Start+5000
			},
		},
		{[]string{"--range", "100-2000"}, func(r extentLine) bool { return r.Start+r.Size > 100 && r.Start <= 2000 }},
	} {
		got, _, code := extentLines(t, append(test.args, img)...)
		want := slices.DeleteFunc(slices.Clone(all), func(r extentLine) bool { return !test.want(r) })
		if !slices.EqualFunc(got, want, equalLines) || code != 0 {
			t.Errorf("%v: %d rows, want %d", test.args, len(got), len(want))
		}
	}
	if got, _, _ := extentLines(t, "--limit", "3", img); !slices.EqualFunc(got, all[:3], equalLines) {
		t.Errorf("--limit 3: %v", got)
	}
}

func equalLines(a, b extentLine) bool {
	x, y := a.Volume, b.Volume
	a.Volume, b.Volume = nil, nil
	return (x == y || x != nil && y != nil && *x == *y) && a == b
}

// What cannot be read is said: JSON is not complete and names the range, and the exit code is that of damage.
func TestShowExtentsUnknown(t *testing.T) {
	whole := planted(t, "detached-reattached", func(*damages.Scene) {})[0]
	all, _, _ := extentLines(t, whole)
	for what, plant := range map[string]func(s *damages.Scene){
		"leaf":  func(s *damages.Scene) { s.Flip(s.Levels()[0][0].Sector().Bytes()+16, 1) },
		"root":  func(s *damages.Scene) { s.Flip(s.Root().Sector().Bytes()+16, 1) },
		"chain": func(s *damages.Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+5000, 0) },
		"names": func(s *damages.Scene) {
			s.EditNewest(func(j *ondisk.Jset) { j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, 1<<40, 0) })
		},
	} {
		img := planted(t, "detached-reattached", plant)[0]
		rows, head, code := extentLines(t, img)
		known := head["known"].(map[string]any)
		if code != 4 || head["complete"] != false {
			t.Errorf("%s: exit %d, %v", what, code, head["complete"])
		}
		if lost := head["unknown"].([]any); (what == "leaf" || what == "root") != (len(lost) == 1) || (known["tree"] == false) != (len(lost) == 1) {
			t.Errorf("%s: %v, %v", what, lost, known)
		}
		if what == "leaf" && (len(rows) == 0 || len(rows) >= len(all) || !equalLines(rows[len(rows)-1], all[len(all)-1])) {
			t.Errorf("of the other leaf come %d of %d rows", len(rows), len(all))
		}
		if text := bctl("show-extents", img); !strings.Contains(text.Stdout, "Complete  no") || !strings.Contains(text.Stderr, "incomplete") || text.Code != 4 {
			t.Errorf("%s: exit %d, %s\n%.200s", what, text.Code, text.Stderr, text.Stdout)
		}
		if uuids := bctl("show-uuids", img); !strings.Contains(uuids.Stdout, "Complete") || uuids.Code != 4 {
			t.Errorf("%s:\n%s", what, uuids.Stdout)
		}
	}
}

// A node's keys are shown as the kernel prints keys, in three forms, and the raw bytes beside their meaning.
func TestShowBtreeNode(t *testing.T) {
	img := imgtest.Open(t, "detached-reattached").Cache
	var tree struct {
		Complete bool
		Nodes    []struct {
			Level, Bucket, Gen, Bsets, Keys, Fill int
			Seq                                   string
		}
	}
	if err := json.Unmarshal([]byte(bctl("show-btree", "--json", img).Stdout), &tree); err != nil || len(tree.Nodes) != 3 || !tree.Complete {
		t.Fatalf("%+v, %v", tree, err)
	}
	for _, n := range tree.Nodes {
		var node struct {
			Node struct{ Keys int }
			Sets []struct{ Words, Keys int }
			Keys []struct {
				Bset, N int
				Key     string
			}
		}
		bucket := fmt.Sprint(n.Bucket)
		if err := json.Unmarshal([]byte(bctl("show-btree", "--node", bucket, "--json", img).Stdout), &node); err != nil {
			t.Fatal(err)
		}
		if len(node.Keys) != n.Keys || node.Node.Keys != n.Keys || len(node.Sets) != n.Bsets {
			t.Errorf("node %d: %d keys and %d bsets, the list has %+v", n.Bucket, len(node.Keys), len(node.Sets), n)
		}
		raw := bctl("show-btree", "--node", bucket, "--raw", img).Stdout
		csv := bctl("show-btree", "--node", bucket, "--format", "csv", img).Stdout
		table := bctl("show-btree", "--node", bucket, img).Stdout
		for _, text := range []string{raw, csv, table} {
			at := 0
			for _, k := range node.Keys {
				next := strings.Index(text[at:], k.Key)
				if next < 0 {
					t.Fatalf("node %d: no %s, or not in its place", n.Bucket, k.Key)
				}
				at += next
			}
		}
		if !strings.Contains(raw, "seq "+n.Seq) || !strings.Contains(table, n.Seq) {
			t.Errorf("node %d: no seq", n.Bucket)
		}
	}
	if root := tree.Nodes[0]; root.Level != 1 || root.Keys != 2 {
		t.Errorf("%+v", root)
	}
	for what, args := range map[string][]string{
		"no node": {"--node", "600"}, "the journal": {"--node", "3"}, "past the end": {"--node", "99999999"},
	} {
		apptest.WantLine(t, what, bctl(append([]string{"show-btree", img}, args...)...), 8, args[1], "hint")
	}
	apptest.WantLine(t, "raw alone", bctl("show-btree", img, "--raw"), 16, "--node")
	torn := planted(t, "detached-reattached", func(s *damages.Scene) {
		n := s.Levels()[0][1]
		s.Flip((n.Sector()+s.Sets(n)[1].At).Bytes()+40, 1)
	})[0]
	got := bctl("show-btree", "--node", fmt.Sprint(tree.Nodes[2].Bucket), torn)
	if got.Code != 4 || !strings.Contains(got.Stdout, "Trouble") || !strings.Contains(got.Stdout, "checksum") || strings.Contains(got.Stdout, "\n   1") {
		t.Errorf("exit %d: %.400s", got.Code, got.Stdout)
	}
	if raw := bctl("show-btree", "--raw", "--node", fmt.Sprint(tree.Nodes[2].Bucket), torn); !strings.Contains(raw.Stdout, "not read: ") || raw.Code != 4 {
		t.Errorf("exit %d", raw.Code)
	}
	if tree := bctl("show-btree", "--json", torn); !strings.Contains(tree.Stdout, `"complete": false`) || !strings.Contains(tree.Stdout, `"whole":false`) || tree.Code != 4 {
		t.Errorf("exit %d: %s", tree.Code, tree.Stdout)
	}
}

// Of the slots: what the kernel wrote there, and the volumes that no slot names.
func TestShowUUIDs(t *testing.T) {
	img := imgtest.Open(t, "detached-reattached")
	var got struct {
		Complete    bool
		Slots, Free int
		UUIDs       []struct {
			Inode         int
			State         string
			UUID, Label   *string
			Live_sectors  int //nolint:revive // as JSON has it
			Dirty_sectors int //nolint:revive // as JSON has it
			FlashOnly     *bool
		}
	}
	if err := json.Unmarshal([]byte(bctl("show-uuids", "--json", img.Cache).Stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.UUIDs) != 3 || got.Free != got.Slots-3 || !got.Complete {
		t.Fatalf("%+v", got)
	}
	for i, want := range []struct {
		state       string
		live, dirty int
	}{{"invalid", 2093, 0}, {"invalid", 272, 272}, {"valid", 1885, 1642}} {
		u := got.UUIDs[i]
		if u.Inode != i || u.State != want.state || u.Live_sectors != want.live || u.Dirty_sectors != want.dirty {
			t.Errorf("%+v, want %+v", u, want)
		}
	}
	back, err := os.ReadFile(img.Backing[0])
	if err != nil {
		t.Fatal(err)
	}
	b := back[4096+40 : 4096+56]
	if id := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]); *got.UUIDs[2].UUID != id || *got.UUIDs[2].Label != "re-attached" {
		t.Errorf("slot 2 is %s %q, the device %s", *got.UUIDs[2].UUID, *got.UUIDs[2].Label, id)
	}
	if all := bctl("show-uuids", "--all", "--format", "csv", img.Cache).Stdout; strings.Count(all, "\n") != got.Slots+1 {
		t.Errorf("%d lines with --all", strings.Count(all, "\n"))
	}
}
