// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bctl/cmd/bctl/app"
	"bctl/internal/lab/imgtest"
)

// longExamples take minutes, or what no test machine has.
var longExamples = []string{
	"bctl generate big.img --buckets 2228224 --extents 16000000",
	"bctl demo", "bctl demo --damage PR01", // TestDemo
	"bctl export /dev/nvme0n1p3 /dev/sdb --mount /mnt/bcache", // stays; TestExportMount
	"bctl export /dev/nvme0n1p3 /dev/sda1 --mount /mnt/bcache &",
	"bctl explore cache.img", "bctl explore /dev/nvme0n1p3 /dev/sda1", // on a terminal: TestExplore
	"bctl list", "bctl list --json-lines | jq -r 'select(.missing) | .uuid'", // whatever the machine has
}

// cannotExamples do not apply to the set they are tried on: they end with exit code 8, and say why.
var cannotExamples = []string{
	"bctl fsck -y --rewind 1234 /dev/nvme0n1p3 /dev/sda1",                      // it has no such entry
	"bctl rewrite-prios --set 100-199:prio=0 --set 7:gen=3,prio=100 cache.img", // 7 is the journal's there
	"bctl uuid purge --inode 3 --discard-dirty /dev/nvme0n1p3",                 // it has no such inode
}

// mendingExamples write what they mended: they end with exit code 1.
var mendingExamples = []string{"bctl fsck -y --rewind 160 cache.img"}

// exampleSets are the images of examples that ask for more than two volumes and a flash-only one, by how the line begins.
var exampleSets = map[string]string{
	"bctl detach": "fifo-full", "bctl tune --state none /dev/sda1 /dev/nvme0n1p3": "fifo-full",
	"bctl uuid purge --leftover": "detached-reattached",
}

// examplesFirst are commands that an example takes for done, by how the line begins.
var examplesFirst = map[string]string{
	"bctl undo":                     "bctl rewrite-prios -q dev/nvme0n1p3",
	"bctl undo -n cache":            "rm -f *.undo; bctl rewrite-prios -q --undo cache.img-rewrite-prios-20260101T000000.undo cache.img",
	"bctl undo /var":                "bctl rewrite-prios -q --undo var/lib/bctl/nvme0n1p3-rewrite-prios-20260101T000000.undo dev/nvme0n1p3",
	"bctl writeback --yes --failed": "printf '0x0 +\\n0x0 0x%x +\\n' $(stat -Lc %s cache.img) > cache.map",
	"bctl fsck --scan":              "rm -f dev/nvme0n1; truncate -s 1M dev/nvme0n1; cat cache.img >> dev/nvme0n1",
	"bctl super find":               "rm -f dev/nvme0n1; truncate -s 1M dev/nvme0n1; cat cache.img >> dev/nvme0n1",
	"bctl fsck -y --scan":           "rm -f disk.img; truncate -s 1M disk.img; cat cache.img >> disk.img",
	"bctl image --restore":          "rm -f practice.img cache.bimg; bctl image -q cache.img -o cache.bimg",
	"cp --sparse":                   "rm -f scratch.img",
	"bctl fsck -y --scan /dev":      "rm -f dev/nvme0n1; truncate -s 1M dev/nvme0n1; cat cache.img >> dev/nvme0n1",
	"bctl fsck cache.bimg":          "rm -f cache.bimg; bctl image -q cache.img -o cache.bimg",
}

// helpExamples are the lines of a command's help that are to be typed.
func helpExamples(name string) (list []string) {
	within, help := false, bctl("--help")
	switch {
	case strings.Contains(name, "."):
		help = runAs(name, "--help")
	case name != "bctl":
		help = bctl(name, "--help")
	}
	for line := range strings.Lines(help.Stdout) {
		line = strings.TrimRight(line, "\n")
		if command, ok := strings.CutPrefix(line, "    "); ok && within {
			list = append(list, command)
		} else if line != "" {
			within = line == "Examples:"
		}
	}
	return list
}

// helpStubs stand for other programs that examples name: what they are given is read to its end.
var helpStubs = map[string]string{
	"ssh": "shift; exec sh -c \"$1\"", "less": "exec cat", "jq": "exec cat", "dmsetup": "exec cat", "ddrescue": "exit 0", "udevadm": "exit 0",
	"mount": "exit 0", "qemu-nbd": "exit 0", "nbdkit": "exit 0", "make": "exit 0", "sudo": "exec \"$@\"", "go": "exit 0",
	"parallel": "exec cat", "sbatch": "exit 0",
	"journalctl": "echo 'bcache: prio_read() bad csum reading priorities'",
}

// helpNames are what has a help: bctl, its commands, and the other names with flags of their own.
func helpNames() []string {
	return append(allCommandNames(), "bctl", "fsck.bcache", "mkfs.bcache")
}

// Every example of every help text is a command line that the shell takes and bctl does.
func TestHelpExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every example")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash here")
	}
	t.Setenv("COLUMNS", "1000")
	shown := map[string][]string{}
	for _, name := range helpNames() {
		shown[name] = helpExamples(name)
		if len(shown[name]) == 0 {
			t.Errorf("%s: no examples", name)
		}
	}
	runExamples(t, shown)
}

// runExamples runs lists of commands, each in a folder of its own.
func runExamples(t *testing.T, shown map[string][]string) {
	t.Helper()
	scripts := t.TempDir()
	var files []string
	for name, list := range shown {
		files = append(files, writeScript(t, scripts, name, len(list)))
	}
	root := imgtest.Root(t)
	testscript.Run(t, testscript.Params{
		Files: files, ContinueOnError: true,
		Setup: func(env *testscript.Env) error {
			bin := filepath.Join(env.WorkDir, "stubs")
			env.Setenv("BCTL_STATE_DIR", filepath.Join(env.WorkDir, "state"))
			env.Values["set"] = &exampleSet{}
			env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
			err := errors.Join(os.Mkdir(bin, 0o755), os.Symlink(filepath.Join(root, "testdata"), filepath.Join(env.WorkDir, "testdata")))
			for name, does := range helpStubs {
				err = errors.Join(err, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+does+"\n"), 0o755))
			}
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"example": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				tryExample(t, ts, shown[ts.Name()][n])
			},
		},
	})
}

// An exampleSet is a set of images that examples are tried on, until one changes it.
type exampleSet struct {
	name  string
	img   *imgtest.Image
	stamp string
}

// stampOf says when each image was changed last.
func stampOf(img *imgtest.Image) (stamp string) {
	for _, path := range img.Paths() {
		if info, err := os.Stat(path); err == nil {
			stamp += info.ModTime().String()
		}
	}
	return stamp
}

// beginningOf is the value of the longest key that a line begins with.
func beginningOf(list map[string]string, line string) (value string) {
	most := 0
	for begin, v := range list {
		if strings.HasPrefix(line, begin) && len(begin) > most {
			most, value = len(begin), v
		}
	}
	return value
}

// tryExample gives an example to a shell, in a folder with a set of volumes under the names that examples use. It must not
// be wrong usage, and must do what it says: exit 0, but for those that say why they cannot.
func tryExample(t *testing.T, ts *testscript.TestScript, line string) {
	if slices.Contains(longExamples, line) {
		return
	}
	dir := ts.MkAbs(".")
	set := ts.Value("set").(*exampleSet)
	if name := cmp.Or(beginningOf(exampleSets, line), "two-backing-flash"); set.name != name || stampOf(set.img) != set.stamp {
		*set = exampleSet{name: name, img: imgtest.Open(t, name)}
		set.stamp = stampOf(set.img)
	}
	img := set.img
	last := img.Backing[len(img.Backing)-1]
	fresh := strings.HasPrefix(line, "bctl format") || strings.HasPrefix(line, "bctl generate")
	for name, from := range map[string]string{
		"dev/nvme0n1p3": img.Cache, "dev/sda1": img.Backing[0], "dev/sdb": img.Backing[0], "dev/sdb1": last, "dev/sdc": last,
		"cache.img": img.Cache, "back.img": img.Backing[0], "scratch.img": img.Cache, "fio.log": filepath.Join(dir, "testdata", "traces", "fio-v3.log"),
	} {
		path := filepath.Join(dir, name)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.RemoveAll(path))
		switch {
		case !fresh:
			ts.Check(os.Symlink(from, path))
		case strings.HasPrefix(name, "dev/"):
			ts.Check(os.WriteFile(path, nil, 0o600))
			ts.Check(os.Truncate(path, 512<<20))
		}
	}
	for _, folder := range []string{
		"usr/share/bash-completion/completions", "usr/share/zsh/vendor-completions", "usr/share/fish/vendor_completions.d",
		"sys/fs/bcache/SET-UUID", "sys/block/bcacheN/bcache", "var/lib/bctl", "var/lib/prometheus/node-exporter",
	} {
		ts.Check(os.MkdirAll(filepath.Join(dir, folder), 0o755))
	}
	if first := beginningOf(examplesFirst, line); first != "" {
		_ = ts.Exec("bash", "-c", first) // the example shows whether it was done
	}
	typed := strings.NewReplacer("/dev/", "dev/", "/sys/", "sys/", "/usr/share/", "usr/share/", "/var/lib/", "var/lib/", "--seconds 10", "--seconds 0.1", "--buckets 65536", "--buckets 1024 --ops 20000", "--ops 5000", "--ops 200", "--node 75", "--node $(bctl show-btree --format csv cache.img | sed -n 2p | cut -d, -f2)").Replace(line)
	err := ts.Exec("bash", "-o", "pipefail", "-c", typed)
	want, code := 0, 0
	switch {
	case slices.Contains(cannotExamples, line):
		want = app.ExitCannot
	case slices.Contains(mendingExamples, line):
		want = app.ExitRepaired
	}
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if code != want || err != nil && code == 0 {
		ts.Fatalf("$ %s\n%v\n%s%s", line, err, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}
