// SPDX-License-Identifier: GPL-2.0-only

// Package packaging holds what goes to a machine beside the binary, and the tests of that, and of the binaries as they
// are handed out.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = ".."

// rescueBytes is what the rescue build may weigh.
const rescueBytes = 8_000_000

// make runs make for some targets; what they write goes to OUT.
func makeTargets(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("make", append([]string{"-s"}, args...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Both builds run; the rescue build is small enough for an initramfs.
func TestBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("links bctl twice")
	}
	out := t.TempDir()
	makeTargets(t, "build", "rescue", "OUT="+out)
	for name, most := range map[string]int64{"bctl": 1 << 62, "bctl-rescue": rescueBytes} {
		bin := filepath.Join(out, name)
		info, err := os.Stat(bin)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", name, info.Size())
		if info.Size() > most {
			t.Errorf("%s: %d bytes, at most %d", name, info.Size(), most)
		}
		if said, err := exec.Command(bin, "--version").Output(); err != nil || !strings.HasPrefix(string(said), "bctl ") {
			t.Errorf("%s --version says %q, %v", name, said, err)
		}
	}
}
