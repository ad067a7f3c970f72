// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const toolDmsetup = "dmsetup"

// dmModules are device mapper's, in the order they are loaded; what a kernel has built in is not in its package.
var dmModules = []string{"dm-mod", "dm-zero"}

// moreModules are those of a multipath device, and of a medium that fails.
var moreModules = []string{"dm-multipath", "dm-round-robin", "dm-flakey"}

// deviceMapper gives a guest dmsetup, with the libraries that it wants, and the kernel's device mapper, with these modules
// besides.
func deviceMapper(t testing.TB, k Kernel, more ...string) func(a *archive) {
	t.Helper()
	program, err := exec.LookPath(toolDmsetup)
	if err != nil {
		missing(t, "no %s (Debian: dmsetup)", toolDmsetup)
	}
	k.needModules(t, dmModules)
	if len(more) > 0 {
		k.needModules(t, more)
	}
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	libraries := regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(string(out), -1)
	return func(a *archive) {
		a.addFile("bin/"+toolDmsetup, program)
		made := map[string]bool{}
		for _, l := range libraries {
			name := strings.TrimPrefix(l[1], "/")
			for at, c := range name {
				if dir := name[:at]; c == '/' && !made[dir] {
					made[dir] = true
					a.dirs(dir)
				}
			}
			a.addFile(name, l[1])
		}
		for i, name := range slices.Concat(dmModules, more) {
			if from := filepath.Join(k.Modules, name+".ko"); isThere(from) {
				a.addFile(fmt.Sprintf("dm-%02d.ko", i), from)
			}
		}
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// loadDM is the script for it. dm NAME reads a table and makes the device, as a disk of that name.
const loadDM = `for m in /dm-*.ko; do insmod "$m"; done
dm() {
	dmsetup create --noudevrules --noudevsync "$@" || { say "dmsetup failed"; return 1; }
	for n in "$@"; do :; done
	ln -s "/dev/dm-$(dmsetup info -c --noheadings -o minor "$n")" "/disk/$n"
}
`
