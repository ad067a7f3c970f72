// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/binary"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/internal/lab/imgtest"
)

// The situations of testdata/cases, with what is true of each.

// Whoever names the wrong device is told what it holds, by every command that reads one.
func TestCaseWrongDevice(t *testing.T) {
	for name, says := range map[string]string{
		"disk-gpt.img": "it is a GPT disk: partition 1 holds bcache uuid 1a470b23-cb74-4137-b0d2-19a13bfbdf0b",
		"pv.img":       "it holds lvm2 uuid Hbv20Y-xJvQ-JAVv-5l0Y-FAZo-SNbz-ztpIp1",
		"ext4.img":     "it holds ext4 uuid 80cb426a-eff1-498c-8d58-0e8de9428e75",
		"bcachefs.img": "it holds bcachefs `tank` uuid 8f0be211-2417-9c3d-d9f7-3817ce6e118d",
	} {
		path := imgtest.Case(t, name)
		for _, args := range [][]string{
			{"show-super", path},
			{"show-buckets", path},
			{"show-prios", path},
			{"fsck", path},
			{"fsck", imgtest.Case(t, "cache.img"), path},
			{"alloc-bench", path},
			{"rewrite-prios", "--dry-run", path},
		} {
			got := bctl(args...)
			if got.Code != app.ExitCannot || !strings.Contains(got.Stderr, path+": not a bcache device: "+says) {
				t.Errorf("%v: exit %d, said %q, want %q", args, got.Code, got.Stderr, says)
			}
		}
	}
}

// endLabels are what may stand at the end of a device of so many bytes: for blkid it is theirs, or nobody's.
var endLabels = map[string]func(size int64) map[int64][]byte{
	"md 1.0": func(size int64) map[int64][]byte {
		at := (size/512 - 16) &^ 7
		b := make([]byte, 256)
		binary.LittleEndian.PutUint32(b, 0xa92b4efc)
		binary.LittleEndian.PutUint32(b[4:], 1)
		binary.LittleEndian.PutUint64(b[144:], uint64(at))
		return map[int64][]byte{at * 512: b}
	},
	"md 0.90": func(size int64) map[int64][]byte {
		b := make([]byte, 64)
		binary.LittleEndian.PutUint32(b, 0xa92b4efc)
		binary.LittleEndian.PutUint32(b[8:], 90)
		return map[int64][]byte{size&^0xffff - 65536: b}
	},
	"zfs": func(size int64) map[int64][]byte {
		out := map[int64][]byte{}
		for _, label := range []int64{512 << 10, 256 << 10} {
			for i := range int64(128) {
				out[size&^(256<<10-1)-label+128<<10+i<<10] = []byte("\x0c\xb1\xba\x00\x00\x00\x00\x00")
			}
		}
		return out
	},
}

func TestCaseLabelsAtTheEnd(t *testing.T) {
	for file, code := range map[string]string{"cache.img": "SB25", "back.img": "BD11"} {
		for name, label := range endLabels {
			path := imgtest.Case(t, file)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			size := info.Size() + 2<<20
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			if got := bctl("fsck", path); strings.Contains(got.Stdout, code) {
				t.Errorf("%s: %s without %s", file, code, name)
			}
			for at, b := range label(size) {
				imgtest.Write(t, path, at, b)
			}
			got := bctl("fsck", "--json", path)
			if n := strings.Count(got.Stdout, `"code":"`+code+`"`); got.Code != 0 || n != 1 || !strings.Contains(got.Stdout, "a signature of "+name) {
				t.Errorf("%s with %s: exit %d, %d times %s in %s", file, name, got.Code, n, code, got.Stdout)
			}
		}
	}
}

// An iolog of several jobs or runs is read to the end, and one whose last line is torn up to there.
func TestCaseFioLogs(t *testing.T) {
	for name, torn := range map[string]bool{"fio-jobs3.log": false, "fio-twice.log": false, "fio-killed.log": true} {
		path := imgtest.Case(t, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		want := 0
		for _, line := range lines[:len(lines)-1] { // the last one ends nowhere
			if f := strings.Fields(line); len(f) == 5 && (f[2] == "read" || f[2] == "write" || f[2] == "trim") {
				want++
			}
		}
		if n := benchResults(t, "--trace", path, "--cache-size", "128M", "--bucket", "128k")[0]["requests"]; n != float64(want) {
			t.Errorf("%s: %v requests, want %d", name, n, want)
		}
		if got := bctl("alloc-bench", "--trace", path); strings.Contains(got.Stderr, "1 line cut short") != torn {
			t.Errorf("%s: said %q", name, got.Stderr)
		}
	}
}

// Objects above 4 KiB do not lie on each other: what is asked for once is missed once.
func TestCaseLargeObjects(t *testing.T) {
	var once, again []byte
	object := func(b []byte, i int, id uint64, next int64) []byte {
		b = binary.LittleEndian.AppendUint32(b, uint32(i/100))
		b = binary.LittleEndian.AppendUint64(b, id)
		b = binary.LittleEndian.AppendUint32(b, 65536)
		return binary.LittleEndian.AppendUint64(b, uint64(next))
	}
	for i := range 4000 {
		once = object(once, i, uint64(i+1), -1)
	}
	rnd := rand.New(rand.NewSource(3))
	for i := range 20000 {
		again = object(again, i, uint64(1+rnd.Intn(2000)), -1)
	}
	for what, test := range map[string]struct {
		trace    []byte
		ratio    string
		min, max float64
	}{
		"asked once": {once, "byte_miss_ratio", 0.999, 1},
		// Nothing is thrown away before the cache is full, so each of 2000 objects is missed once.
		"asked again": {again, "read_miss_ratio", 0.0995, 0.1005},
	} {
		path := filepath.Join(t.TempDir(), "objects")
		if err := os.WriteFile(path, test.trace, 0o600); err != nil {
			t.Fatal(err)
		}
		row := benchResults(t, "--trace", path, "--trace-format", "oracleGeneral", "--cache-size", "1G", "--bucket", "128k")[0]
		if got := row[test.ratio].(float64); got < test.min || got > test.max {
			t.Errorf("%s: %s %v", what, test.ratio, got)
		}
	}
}

// A backing device that says none or stale drops the dirty data at the next registration, whatever the order of names.
func TestCaseDroppedData(t *testing.T) {
	cache := imgtest.Case(t, "cache.img")
	back := imgtest.Case(t, "back.img")
	for _, names := range [][]string{{cache, back}, {back, cache}} {
		if got := bctl(append([]string{"fsck"}, names...)...); got.Code != 0 || !strings.Contains(got.Stdout, back+", 9237d2ae-3277-47a3-886c-ba4cfeef910a, state dirty, writeback: volume 0") {
			t.Errorf("%v: exit %d, %s", names, got.Code, got.Stdout)
		}
	}
	for _, state := range []string{"none", "stale"} {
		path := imgtest.Case(t, "back-"+state+".img")
		got := bctl("fsck", cache, path)
		if got.Code != app.ExitDamage || !strings.Contains(got.Stdout, "BD14") || !strings.Contains(got.Stdout, "drops 288 dirty sectors of it, 288 of which it lacks") {
			t.Errorf("%s: exit %d, %s", state, got.Code, got.Stdout)
		}
	}
}

// Who is given is named, a stranger too, and so is the volume whose device is not given.
func TestCaseWhoIsWho(t *testing.T) {
	cache := imgtest.Case(t, "cache.img")
	other := filepath.Join(t.TempDir(), "other.img")
	if got := bctl("format", "-B", other, "--size", "16M", "-w", "4k"); got.Code != 0 {
		t.Fatal(got.Stderr)
	}
	for _, args := range [][]string{{"fsck", cache, other}, {"fsck", "--verify-data", cache, other}} {
		got := bctl(args...)
		if !strings.Contains(got.Stdout+got.Stderr, other) {
			t.Errorf("%v: exit %d, %s%s", args, got.Code, got.Stdout, got.Stderr)
		}
	}
	got := bctl("fsck", cache, other)
	for _, says := range []string{"state none: no volume of this cache", "volume 0, 9237d2ae-3277-47a3-886c-ba4cfeef910a: not given, not checked"} {
		if !strings.Contains(got.Stdout, says) {
			t.Errorf("%q is not in\n%s", says, got.Stdout)
		}
	}
	if got = bctl("fsck", "--json", cache, other); !strings.Contains(got.Stdout, `"device":null`) && !strings.Contains(got.Stdout, `"device": null`) {
		t.Errorf("JSON names no volume without a device: %s", got.Stdout)
	}
}

// A cache that was made anew does not know its old backing device, which then does not come up.
func TestCaseMadeAnew(t *testing.T) {
	back := imgtest.Case(t, "back.img")
	for _, name := range []string{"cache-anew.img", "cache-made.img"} {
		if got := bctl("fsck", imgtest.Case(t, name), back); got.Code != app.ExitDamage || !strings.Contains(got.Stdout, "BD04") {
			t.Errorf("%s: exit %d, %s", name, got.Code, got.Stdout)
		}
	}
	fresh := filepath.Join(t.TempDir(), "new.img")
	if got := bctl("format", "-C", fresh, "--size", "24M", "-b", "32k"); got.Code != 0 {
		t.Fatal(got.Stderr)
	}
	if got := bctl("fsck", fresh, back); got.Code != 0 || !strings.Contains(got.Stdout, "BD13") || !strings.Contains(got.Stdout, back) {
		t.Errorf("a cache of another set: exit %d, %s", got.Code, got.Stdout)
	}
}

// What is given must be one cache and its backing devices, each once.
func TestCaseOperands(t *testing.T) {
	cache, back := imgtest.Case(t, "cache.img"), imgtest.Case(t, "back.img")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(back, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{cache, back, link}, "are the same device"},
		{[]string{cache, back, back}, "given twice"},
		{[]string{cache, imgtest.Case(t, "cache-made.img")}, "both cache devices"},
		{[]string{back, imgtest.Case(t, "back-none.img")}, "name their cache too"},
	} {
		got := bctl(append([]string{"fsck"}, test.args...)...)
		if got.Code != app.ExitUsage || !strings.Contains(got.Stderr, test.says) {
			t.Errorf("%v: exit %d, said %q, want %q", test.args, got.Code, got.Stderr, test.says)
		}
	}
}

// A dirty backing device alone: what that means is said, and where the rest of its data is.
func TestCaseDirtyAlone(t *testing.T) {
	got := bctl("fsck", imgtest.Case(t, "back.img"))
	if got.Code != 0 || !strings.Contains(got.Stdout, "dirty") || !strings.Contains(got.Stdout, "6d3d7ce1-7d68-49ca-ae36-94bd99711f68") {
		t.Errorf("exit %d, %s", got.Code, got.Stdout)
	}
}

// A data offset inside a block is refused: on a disk with such blocks every read would fail.
func TestCaseDataOffset(t *testing.T) {
	for _, test := range []struct {
		offset, block string
		ok            bool
	}{{"17", "4k", false}, {"24", "4k", true}, {"17", "512", true}} {
		path := filepath.Join(t.TempDir(), "a.img")
		got := bctl("format", "-B", path, "--size", "32M", "-o", test.offset, "-w", test.block)
		if (got.Code == 0) != test.ok {
			t.Errorf("-o %s -w %s: exit %d, said %q", test.offset, test.block, got.Code, got.Stderr)
		}
	}
}

// Two sound devices whose blocks do not fit: neither is to be kept from the kernel, or copied.
func TestCaseBlocksDoNotFit(t *testing.T) {
	dir := t.TempDir()
	cache, back := filepath.Join(dir, "c.img"), filepath.Join(dir, "b.img")
	for _, args := range [][]string{{"format", "-C", cache, "--size", "32M", "-b", "32k", "-w", "4k"}, {"format", "-B", back, "--size", "32M", "-w", "512"}} {
		if got := bctl(args...); got.Code != 0 {
			t.Fatal(got.Stderr)
		}
	}
	got := bctl("fsck", cache, back)
	if !strings.Contains(got.Stdout, "BD02") || strings.Contains(strings.ToLower(got.Stdout), "copy it before anything") {
		t.Errorf("exit %d, %s", got.Code, got.Stdout)
	}
}

// Traces as people have them: three requests each.
func TestCaseTraces(t *testing.T) {
	le := binary.LittleEndian
	var vscsi1, vscsi2 []byte
	for i := range uint64(3) {
		vscsi1 = le.AppendUint32(le.AppendUint32(le.AppendUint32(vscsi1, uint32(i)), 4096), 1)
		vscsi1 = le.AppendUint16(le.AppendUint16(vscsi1, uint16(0x2a-2*(i%2))), 1)
		vscsi1 = le.AppendUint64(le.AppendUint64(vscsi1, i*1000), i*1000)
		vscsi2 = le.AppendUint16(le.AppendUint16(vscsi2, 0x28), 2)
		vscsi2 = le.AppendUint32(le.AppendUint32(le.AppendUint32(vscsi2, uint32(i)), 4096), 1)
		vscsi2 = le.AppendUint64(le.AppendUint64(le.AppendUint64(vscsi2, i*1000), i*1000), 500)
	}
	for name, text := range map[string]string{
		"spc":    "0,20941264,8192,W,0.551706\n0,20939840,8192,W,0.554041\n1,3072,4096,r,0.560000\n",
		"systor": "Timestamp,Response,IOType,LUN,Offset,Size\n1455592200.001266000,0.000303,W,0,20828782592,4096\n1455592200.001500000,,R,1,512,8192\n1455592201.0,0.1,R,1,512,8192\n",
		"fiu":    "329131208190249 4892 syslogd 904265560 8 W 6 0 531e779b5b25b3c4c3ca5c5b32dfa4c8\n329131208192000 4892 syslogd 904265568 8 W 6 0 0\n329131208193000 4892 syslogd 904265568 8 R 6 0 0\n",
		"vscsi1": string(vscsi1), "vscsi2": string(vscsi2),
	} {
		row := benchResults(t, "--trace", traceFile(t, text), "--cache-size", "128M", "--bucket", "128k")[0]
		if row["requests"] != 3.0 {
			t.Errorf("%s: %v requests", name, row["requests"])
		}
	}
}

// What a device was given since it was used without its cache is not given up unasked: -p leaves it, -y lists it.
func TestCaseDroppedDataRepair(t *testing.T) {
	for _, state := range []string{"none", "stale"} {
		cache, back := imgtest.Case(t, "cache.img"), imgtest.Case(t, "back-"+state+".img")
		before := imgtest.SumFile(t, back)
		got := bctl("fsck", "-p", "--no-undo", cache, back)
		if got.Code != app.ExitDamage || imgtest.SumFile(t, back) != before {
			t.Errorf("%s: -p: exit %d, %s%s", state, got.Code, got.Stdout, got.Stderr)
		}
		got = bctl("fsck", "-y", "--no-undo", cache, back)
		if got.Code != app.ExitRepaired || !strings.Contains(got.Stderr, "given up: volume 0, 9237d2ae") {
			t.Errorf("%s: -y: exit %d, %s%s", state, got.Code, got.Stdout, got.Stderr)
		}
		if got = bctl("fsck", cache, back); got.Code != 0 || !strings.Contains(got.Stdout, "state dirty") {
			t.Errorf("%s: afterwards: exit %d, %s", state, got.Code, got.Stdout)
		}
	}
}
