// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
)

var recordSuperShow = flag.Bool("record-super-show", false, "write testdata/super-show.txt anew from the installed bcache-super-show")

// A superShowCase is a command line and a superblock to show.
type superShowCase struct {
	name string
	args string // img is the image
	edit func(s *ondisk.Super)
	size int64 // of the image, 0: 8192
	sum  uint64
}

// plainSuper is what the cases edit. Checksums are made right afterwards.
func plainSuper(version uint64) *ondisk.Super {
	s := &ondisk.Super{
		Offset: 8, Version: version, Magic: ondisk.SuperMagic,
		UUID: ondisk.UUID{0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, SetUUID: ondisk.UUID{0xab, 15: 0x0c},
		Nbuckets: 2048, BlockSize: 8, BucketSize: 256, NrInSet: 1, FirstBucket: 1, LastMount: 1234567890, Seq: 7,
	}
	if s.IsBacking() {
		s.Nbuckets = 32 // data_offset
	}
	return s
}

func superShowCases() (cases []superShowCase) {
	add := func(name, args string, version uint64, edit func(*ondisk.Super)) {
		cases = append(cases, superShowCase{name: name, args: args, edit: func(s *ondisk.Super) {
			*s = *plainSuper(version)
			if edit != nil {
				edit(s)
			}
		}})
	}
	for _, v := range []uint64{0, 1, 2, 3, 4, 5, 6, 7, math.MaxUint64} {
		add(fmt.Sprintf("version %d", v), "img", v, nil)
	}
	for name, label := range map[string]string{
		"plain": "home", "full": strings.Repeat("x", 32), "spaces": " a b%c\n\t", "high": "größe\xff\x80",
		"allowed": "AZaz09.-_", "cut": "a\x00b", "first byte zero": "\x00b", "control": "\x01\x1f\x7f/@[`{:",
	} {
		add("label "+name, "img", 0, func(s *ondisk.Super) { copy(s.Label[:], label) })
	}
	for i := range uint64(16) {
		add(fmt.Sprintf("cache flags %#x", i<<1|1), "img", 3, func(s *ondisk.Super) { s.Flags = i<<1 | 1 })
		add(fmt.Sprintf("cache mode %d", i), "img", 1, func(s *ondisk.Super) { s.Flags = i })
	}
	for i := range uint64(8) {
		add(fmt.Sprintf("state %d", i), "img", 1, func(s *ondisk.Super) { s.Flags = i<<61 | 1 })
	}
	add("all flags", "img", 0, func(s *ondisk.Super) { s.Flags = math.MaxUint64 })
	add("large numbers", "img", 0, func(s *ondisk.Super) { s.Nbuckets, s.BucketSize, s.FirstBucket = math.MaxUint64, 65535, 65535 })
	add("no buckets", "img", 0, func(s *ondisk.Super) { s.Nbuckets, s.NrThisDev = 0, 65535 })
	add("journal", "img", 3, func(s *ondisk.Super) {
		s.Keys = 256
		for i := range s.D {
			s.D[i] = uint64(i + 1)
		}
	})
	add("data offset", "img", 4, func(s *ondisk.Super) { s.Nbuckets = math.MaxUint64 })
	add("experimental keys", "img", 4, func(s *ondisk.Super) { s.Keys = 1 })
	add("experimental d", "img", 4, func(s *ondisk.Super) { s.D[0] = 1 })
	add("keys 2", "img", 4, func(s *ondisk.Super) { s.Keys, s.D[1] = 2, 5 })
	add("bad magic", "img", 0, func(s *ondisk.Super) { s.Magic[15]++ })
	add("bad magic, forced", "-f img", 0, func(s *ondisk.Super) { s.Magic[0]++ })
	add("bad offset", "img", 0, func(s *ondisk.Super) { s.Offset = math.MaxUint64 })
	add("bad offset, forced", "-f img", 1, func(s *ondisk.Super) { s.Offset = 0 })
	for args, name := range map[string]string{
		"img": "", "-f img": "forced ", "img -f": "forced behind ", "-ff img": "forced twice ", "-- img": "dashes ", "-f -- img": "forced dashes ",
	} {
		add(name+"bad csum", args, 3, nil)
		cases[len(cases)-1].sum = 0x1d
	}
	for _, args := range []string{"", "-f", "-x img", "-fx img", "--force img", "-h", "img img", "img -q", "-- img -f", "-", "missing", "img/x", "."} {
		add("args "+args, args, 1, nil)
	}
	for _, size := range []int64{0, 4096, 6351, 6352} {
		add(fmt.Sprintf("size %d", size), "img", 1, nil)
		cases[len(cases)-1].size = size
	}
	slices.SortFunc(cases, func(a, b superShowCase) int { return strings.Compare(a.name, b.name) })
	return cases
}

// place writes the case's image into the current directory.
func (c superShowCase) place(t *testing.T) {
	t.Helper()
	s := new(ondisk.Super)
	c.edit(s)
	s.Csum = s.Checksum() ^ c.sum
	b := s.Append(make([]byte, ondisk.SuperOffset))
	if err := os.WriteFile("img", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.size != 0 || c.name == "size 0" {
		if err := os.Truncate("img", c.size); err != nil {
			t.Fatal(err)
		}
	}
}

// said is everything a program did, as the golden file has it.
func said(name string, r apptest.Result) string {
	return fmt.Sprintf("=== %s: exit %d\n%s--- stderr\n%s", name, r.Code, r.Stdout, r.Stderr)
}

// theirs runs the installed program. It is given the bare name as argv[0], which its messages repeat.
func theirs(t *testing.T, path string, args ...string) apptest.Result {
	t.Helper()
	var o, e bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Args[0] = cmd.Args[0][strings.LastIndexByte(path, '/')+1:]
	cmd.Stdout, cmd.Stderr = &o, &e
	cmd.Env = []string{"LC_ALL=C"}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return apptest.Result{Code: cmd.ProcessState.ExitCode(), Stdout: o.String(), Stderr: e.String()}
}

// realTool is where a tool of bcache-tools is installed.
func realTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			t.Skipf("no %s here to compare with", name)
		}
	}
	return path
}

// The golden file is what bcache-super-show of bcache-tools 1.0.8 printed for these superblocks.
func TestSuperShowGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/super-show.txt")
	if err != nil && !*recordSuperShow {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	var all, recorded strings.Builder
	for _, c := range superShowCases() {
		c.place(t)
		args := strings.Fields(c.args)
		got := said(c.name, runAs("bcache-super-show", args...))
		all.WriteString(got)
		if *recordSuperShow {
			recorded.WriteString(said(c.name, theirs(t, realTool(t, "bcache-super-show"), args...)))
		} else if !strings.Contains(string(golden), got) {
			t.Errorf("not in the golden file:\n%s", got)
		}
	}
	if *recordSuperShow {
		if err := os.WriteFile(dir+"/testdata/super-show.txt", []byte(recorded.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if all.String() != string(golden) {
		t.Error("the golden file has something else, or in another order")
	}
}

// Side by side with the installed one.
func TestSuperShowLive(t *testing.T) {
	tool := realTool(t, "bcache-super-show")
	t.Chdir(t.TempDir())
	for _, c := range superShowCases() {
		c.place(t)
		args := strings.Fields(c.args)
		if got, want := said(c.name, runAs("bcache-super-show", args...)), said(c.name, theirs(t, tool, args...)); got != want {
			t.Errorf("ours:\n%stheirs:\n%s", got, want)
		}
	}
}

func TestSuperShowPosix(t *testing.T) {
	t.Setenv("POSIXLY_CORRECT", "")
	if r := runAs("bcache-super-show", "img", "-f"); r.Code != 1 || r.Stderr != "Usage: bcache-super-show [-f] <device>\n" {
		t.Errorf("%+v", r)
	}
}
