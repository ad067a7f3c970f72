// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bashProposes is what bash proposes behind words.
func bashProposes(t *testing.T, words string) []string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	script := fmt.Sprintf(`. ../../packaging/bctl.bash && COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _bctl; echo "${COMPREPLY[@]}"`, words)
	out, err := exec.Command(bash, "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("%s<tab>: %v, %s", words, err, out)
	}
	return strings.Fields(string(out))
}

func TestCompletion(t *testing.T) {
	for _, test := range []struct{ words, want string }{
		{"bctl --js", "--json"},
		{"bctl sh", "show-super"},
		{"bctl show-super --quie", "--quiet"},
		{"bctl show-super xyzzy", ""},
		{"bctl --json show-bu", "show-buckets"},
		{"bctl show-buckets --mark ''", "dirty"},
		{"bctl show-buckets --mark = d", "dirty"},
		{"bctl --color = al", "always"},
		{"bctl alloc-bench --script /dev/", ""},
		{"bctl alloc-bench --policy f", "fifo"},
		{"bctl completion z", "zsh"},
		{"bctl uuid p", "purge"},
		{"bctl super --force f", "find"},
		{"bctl super find u", ""},
		{"bctl explain PR0", "PR01"},
		{"bctl format -", "--cache"},
		{"fsck.bcache --pre", "--preen"},
		{"/sbin/mkfs.bcache --cache-replacement-policy f", "fifo"},
		{"mkfs.bcache sh", ""},
	} {
		got := bashProposes(t, test.words)
		if test.want != "" && !slices.Contains(got, test.want) || test.want == "" && len(got) > 0 {
			t.Errorf("%s<tab>: %q, want %s", test.words, got, test.want)
		}
	}
}

// With the block devices there are, they are proposed.
func TestCompletionDevices(t *testing.T) {
	devices, err := filepath.Glob("/sys/class/block/*")
	if err != nil || len(devices) == 0 {
		t.Skip("no block devices here")
	}
	want := "/dev/" + filepath.Base(devices[0])
	for _, words := range []string{"bctl fsck /dev/", "bctl fsck ''", "bctl format --cache ''", "bctl format -B /dev/", "bctl report /dev/", "bctl export ''", "bctl writeback /dev/", "bctl uuid list /dev/", "bctl super find ''", "fsck.bcache /dev/", "mkfs.bcache -C ''", "bctl writeback --inode 1 --to /dev/", "bctl image --with ''"} {
		if got := bashProposes(t, words); !slices.Contains(got, want) {
			t.Errorf("%s<tab>: %q, want %s", words, got, want)
		}
	}
}

// fishProposes is what fish says that it would propose behind what was typed.
func fishProposes(t *testing.T, typed string) (words []string) {
	t.Helper()
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("no fish here")
	}
	script, err := filepath.Abs("../../packaging/bctl.fish")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(fish, "--no-config", "-c", "source "+script+"; complete -C '"+typed+"'")
	cmd.Env, cmd.Dir = append(os.Environ(), "HOME="+t.TempDir()), t.TempDir()
	if err := os.WriteFile(filepath.Join(cmd.Dir, "cache.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s<tab>: %v, %s", typed, err, out)
	}
	for line := range strings.Lines(string(out)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		words = append(words, word)
	}
	return words
}

// What stands for a device is a block device or a file; of /dev nothing else is proposed.
func TestFishDevices(t *testing.T) {
	devices, err := filepath.Glob("/sys/class/block/*")
	for _, typed := range []string{"bctl fsck ", "bctl uuid list ", "fsck.bcache ", "mkfs.bcache -C ", "bctl fsck --undo "} {
		if words := fishProposes(t, typed); !slices.Contains(words, "cache.img") {
			t.Errorf("%s<tab>: %q, want cache.img", typed, words)
		}
	}
	if err != nil || len(devices) == 0 {
		t.Skip("no block devices here")
	}
	for _, typed := range []string{"bctl fsck /dev/", "fsck.bcache /dev/", "bctl format --cache /dev/", "bctl format -C /dev/"} {
		words := fishProposes(t, typed)
		if want := "/dev/" + filepath.Base(devices[0]); !slices.Contains(words, want) || slices.Contains(words, "/dev/null") {
			t.Errorf("%s<tab>: %q, want %s and not /dev/null", typed, words, want)
		}
	}
}

// fish itself says what it would propose.
func TestFishCompletion(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"bctl sh", "show-super"},
		{"bctl --js", "--json"},
		{"bctl show-buckets --mark d", "dirty"},
		{"bctl show-buckets --mark=d", "--mark=dirty"},
		{"bctl fsck --verify", "--verify-data"},
		{"bctl completion z", "zsh"},
		{"bctl uuid p", "purge"},
		{"bctl explain PR0", "PR01"},
		{"fsck.bcache --pre", "--preen"},
		{"mkfs.bcache --cache-replacement-policy=f", "--cache-replacement-policy=fifo"},
	} {
		if words := fishProposes(t, test.typed); !slices.Contains(words, test.want) {
			t.Errorf("%s<tab>: %q, want %s", test.typed, words, test.want)
		}
	}
}

// zsh's own functions are told what they should be; whether they show it only a terminal could say.
func TestZshCompletion(t *testing.T) {
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		t.Skip("no zsh here")
	}
	for _, test := range []struct{ words, want string }{
		{"bctl sh", "show-super:show the superblock"},
		{"bctl --json show-buckets --mark d", ":MARK:(free clean dirty metadata)"},
		{"bctl fsck x", "*:device:_bctl_devices"},
		{"bctl completion z", "1:operand:(bash fish zsh)"},
		{"bctl uuid p", "1:operand:(list relink purge)"},
		{"bctl uuid list x", "*:device:_bctl_devices"},
		{"fsck.bcache x", "*:device:_bctl_devices"},
		{"mkfs.bcache --cache-replacement-policy f", ":POLICY:(lru fifo random)"},
		{"bctl rewrite-prios --set x", `]:BUCKET[-BUCKET]\:gen=N,prio=N:_files`},
	} {
		script := `_arguments() { print -rl -- $words -- $CURRENT "$@" }
_describe() { print -rl -- ${(P)2} }
` + "words=(" + test.words + "); CURRENT=$#words; service=$words[1]; . ../../packaging/bctl.zsh"
		out, err := exec.Command(zsh, "-f", "-c", script).CombinedOutput()
		if err != nil || !strings.Contains(string(out), test.want) {
			t.Errorf("%s<tab>: %q (%v), want %s", test.words, out, err, test.want)
		}
	}
}
