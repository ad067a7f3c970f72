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
	for _, words := range []string{"bctl fsck /dev/", "bctl fsck ''", "bctl format --cache ''", "bctl format -B /dev/", "bctl report /dev/", "bctl export ''", "bctl writeback /dev/", "bctl uuid list /dev/", "bctl super find ''"} {
		if got := bashProposes(t, words); !slices.Contains(got, want) {
			t.Errorf("%s<tab>: %q, want %s", words, got, want)
		}
	}
}

// fish itself says what it would propose.
func TestFishCompletion(t *testing.T) {
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("no fish here")
	}
	for _, test := range []struct{ typed, want string }{
		{"bctl sh", "show-super"},
		{"bctl --js", "--json"},
		{"bctl show-buckets --mark d", "dirty"},
		{"bctl show-buckets --mark=d", "--mark=dirty"},
		{"bctl fsck --verify", "--verify-data"},
		{"bctl completion z", "zsh"},
		{"bctl uuid p", "purge"},
		{"bctl explain PR0", "PR01"},
	} {
		cmd := exec.Command(fish, "--no-config", "-c", "source ../../packaging/bctl.fish; complete -C '"+test.typed+"'")
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		found := false
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			found = found || word == test.want
		}
		if err != nil || !found {
			t.Errorf("%s<tab>: %q (%v), want %s", test.typed, out, err, test.want)
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
		{"bctl rewrite-prios --set x", `]:BUCKET[-BUCKET]\:gen=N,prio=N:_files`},
	} {
		script := `_arguments() { print -rl -- $words -- $CURRENT "$@" }
_describe() { print -rl -- ${(P)2} }
` + "words=(" + test.words + "); CURRENT=$#words; . ../../packaging/bctl.zsh"
		out, err := exec.Command(zsh, "-f", "-c", script).CombinedOutput()
		if err != nil || !strings.Contains(string(out), test.want) {
			t.Errorf("%s<tab>: %q (%v), want %s", test.words, out, err, test.want)
		}
	}
}
