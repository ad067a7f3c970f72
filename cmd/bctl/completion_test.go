// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	if _, err := os.Stat("../../packaging/bctl.bash"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ words, want string }{
		{"bctl --js", "--json"},
		{"bctl sh", "show-super"},
		{"bctl show-super --quie", "--quiet"},
		{"bctl show-super xyzzy", ""},
	} {
		script := fmt.Sprintf(`. ../../packaging/bctl.bash; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _bctl; echo "${COMPREPLY[@]}"`, test.words)
		out, err := exec.Command(bash, "-c", script).CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || test.want != "" && !slices.Contains(got, test.want) || test.want == "" && len(got) > 0 {
			t.Errorf("%s<tab>: %q (%v), want %s", test.words, out, err, test.want)
		}
	}
}
