// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// registerRules are what a bcache device meets in Debian: udev watches it, looks at it, and 69-bcache.rules of bcache-tools
// hands it to the kernel unless the flag is set. Where this machine has the rules themselves they are taken; what stands
// here is what they come to.
var registerRules = map[string]string{
	"60-block.rules":              `SUBSYSTEM=="block", ACTION!="remove", KERNEL=="vd*", OPTIONS+="watch", IMPORT{builtin}="blkid"` + "\n",
	"60-persistent-storage.rules": "",
	"69-bcache.rules": `SUBSYSTEM!="block", GOTO="bcache_end"
ACTION=="remove", GOTO="bcache_end"
ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}=="1", GOTO="bcache_end"
ENV{ID_FS_TYPE}=="bcache", RUN+="/bin/bcache-register $tempnode"
LABEL="bcache_end"
`,
	"70-seen.rules": `SUBSYSTEM=="block", KERNEL=="vd*", ENV{DM_UDEV_DISABLE_OTHER_RULES_FLAG}=="1", RUN+="/bin/touch /run/flag-stayed"` + "\n",
}

// udevFiles adds the machine's own udev and what it needs, and bctl.
func udevFiles(t *testing.T) func(a *archive) {
	t.Helper()
	udevadm, err := exec.LookPath("udevadm")
	if err != nil {
		missing(t, "no udevadm")
	}
	libs, err := exec.Command("ldd", udevadm).Output()
	if err != nil {
		missing(t, "ldd: %v", err)
	}
	built := bctlBinary.build(t)
	if out, err := exec.Command("ldd", built).Output(); err == nil {
		libs = append(libs, out...)
	}
	return func(a *archive) {
		seen := map[string]bool{}
		dirs := func(path string) {
			parts := strings.Split(filepath.Dir(path), "/")
			for i := range parts {
				if dir := strings.Join(parts[:i+1], "/"); dir != "" && dir != "." && !seen[dir] {
					seen[dir] = true
					a.dirs(dir)
				}
			}
		}
		seen["bin"], seen["tmp"] = true, true
		for _, word := range strings.Fields(string(libs)) {
			if name := strings.TrimPrefix(word, "/"); name != word && !seen[name] {
				seen[name] = true
				dirs(name)
				a.addFile(name, word)
			}
		}
		for name, text := range registerRules {
			name = "usr/lib/udev/rules.d/" + name
			dirs(name)
			own, err := os.ReadFile("/" + name)
			if err == nil {
				text = string(own)
			}
			t.Logf("/%s: %v", name, err)
			a.add(name, 0o100644, []byte(text))
		}
		dirs("etc/udev/x")
		dirs("run/udev/x")
		dirs("usr/lib/systemd/x")
		a.addFile("bin/udevadm", udevadm)
		a.addFile("usr/lib/systemd/systemd-udevd", udevadm)
		register := []byte("#!/bin/sh\necho \"$1\" >/sys/fs/bcache/register && echo yes >/run/registered\n")
		a.add("bin/bcache-register", modeFile, register)
		for _, dir := range []string{"usr/lib/udev", "lib/udev"} { // where udev looks for what rules name without a path
			dirs(dir + "/x")
			a.add(dir+"/bcache-register", modeFile, register)
		}
		a.addFile("bin/bctl", built)
	}
}

// TestHold lets a real udev meet what closing a written device brings: a held device is not registered, a released one
// is; a command of bctl holds what it writes to, and leaves nothing behind. What is registered already is called so.
func TestHold(t *testing.T) {
	t.Parallel()
	more := udevFiles(t)
	k := needKernel(t, "6.12")
	byHand, tuned := imgtest.Open(t, "writeback-dirty"), imgtest.Open(t, "version5")
	disks := []Disk{{Name: "c0", Path: byHand.Cache, Snapshot: true}, {Name: "c1", Path: tuned.Cache, Snapshot: true}}
	if _, err := os.Stat("/lib/x86_64-linux-gnu"); err != nil {
		missing(t, "another machine's libraries")
	}
	r := Boot{Kernel: k, Disks: disks, More: more, Script: `case_ hold
export BCTL_STATE_DIR=/tmp/state
registered() { [ -e "$(sys $1)/set" ]; }
is() { if registered $1; then say "$2 registered"; else say "$2 free"; fi; }
touch_it() { exec 9>>"/dev/$(dev $1)"; exec 9>&-; udevadm settle; usleep 300000; udevadm settle; }
/usr/lib/systemd/systemd-udevd --daemon 2>/tmp/udevd.log; say udevd $?
bctl hold /dev/$(dev c0) /dev/$(dev c1) >/tmp/out 2>&1; say hold $? $(cat /tmp/out)
udevadm trigger --action=add --subsystem-match=block; udevadm settle
is c0 triggered
touch_it c0
is c0 touched
bctl tune --label held --no-undo /dev/$(dev c1) >/tmp/out 2>&1; say tune_by_hand $?
bctl release /dev/$(dev c0) /dev/$(dev c1) >/tmp/out 2>&1; say release $?
touch_it c0
wait_for registered c0
is c0 released
is c1 before
bctl tune --label x --no-undo /dev/$(dev c1) >/tmp/out 2>&1; say tune $? $(cat /tmp/out)
usleep 300000; udevadm settle
is c1 tuned
say left $(ls /run/udev/rules.d | wc -l)
say flag $(ls /run/flag-stayed 2>/dev/null)
touch_it c1
wait_for registered c1
is c1 then
bctl hold --format csv /dev/$(dev c1) >/tmp/out 2>&1; say late $? $(cat /tmp/out)
`}.Run(t)
	c := r.Case("hold")
	for key, want := range map[string]string{
		"udevd": "0", "triggered": "free", "touched": "free", "tune_by_hand": "0", "release": "0", "released": "registered",
		"before": "free", "tuned": "free", "left": "0", "flag": "", "then": "registered",
	} {
		if got := c.Fact(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if !strings.HasPrefix(c.Fact("hold"), "0 ") || !strings.HasPrefix(c.Fact("tune"), "0 ") || !strings.Contains(c.Fact("tune"), "kept away") {
		t.Errorf("hold %q, tune %q", c.Fact("hold"), c.Fact("tune"))
	}
	if late := c.Fact("late"); !strings.HasPrefix(late, "0 ") || !strings.HasSuffix(late, ",true,true") || !strings.Contains(late, "registered as a bcache cache device of set") {
		t.Errorf("held when it was registered: %q", late)
	}
	if t.Failed() {
		t.Logf("facts %v, log %q", c.Facts, c.Log)
	}
}
