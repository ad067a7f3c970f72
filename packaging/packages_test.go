// SPDX-License-Identifier: GPL-2.0-only

package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a program, which must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// files lists what is below dir, but for folders.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// wanted is what a system must have afterwards, of either package.
var wanted = []string{
	"usr/sbin/bctl", "usr/sbin/fsck.bcache", "usr/sbin/mkfs.bcache", "usr/share/man/man8/bctl.8", "usr/share/man/man8/fsck.bcache.8",
	"usr/share/man/man5/bcache-ondisk.5", "usr/share/man/man7/bctl-messages.7", "usr/share/bash-completion/completions/bctl",
	"usr/share/zsh/site-functions/_bctl", "usr/share/fish/vendor_completions.d/bctl.fish", "usr/share/doc/bctl/LICENSE",
	"usr/share/doc/bctl/THIRD_PARTY", "usr/lib/bctl/bctl-rescue", "usr/lib/bctl/bctl-boot",
	"usr/share/initramfs-tools/hooks/bctl", "usr/share/initramfs-tools/scripts/init-premount/bctl",
	"usr/lib/dracut/modules.d/91bctl/module-setup.sh",
}

// installed judges a root that both packages were installed to.
func installed(t *testing.T, at string) {
	t.Helper()
	for _, name := range wanted {
		if _, err := os.Stat(filepath.Join(at, name)); err != nil {
			t.Error(err)
		}
	}
	for name, says := range map[string]string{"bctl": "bctl ", "fsck.bcache": "fsck.bcache ", "mkfs.bcache": "mkfs.bcache "} {
		if out := run(t, filepath.Join(at, "usr/sbin", name), "--version"); !strings.HasPrefix(out, says) {
			t.Errorf("%s --version says %q", name, out)
		}
	}
}

// Both kinds of package are made, installed into an empty root, and leave nothing behind when they are removed.
func TestPackages(t *testing.T) {
	if testing.Short() || os.Getuid() != 0 {
		t.Skip("makes packages, and installs them into a root of its own")
	}
	out := t.TempDir()
	arch := strings.TrimSpace(run(t, "go", "env", "GOARCH"))
	makeTargets(t, "packages", "OUT="+out, "ARCHES="+arch)
	t.Run("deb", func(t *testing.T) { deb(t, filepath.Join(out, "dist")) })
	t.Run("rpm", func(t *testing.T) { rpm(t, filepath.Join(out, "dist")) })
}

func packages(t *testing.T, dir, ext string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*."+ext))
	if err != nil || len(list) != 2 {
		t.Fatalf("%d packages, want 2 (%v)", len(list), err)
	}
	return list
}

// deb tries Debian's. bcache-tools' names are alternatives, where the root has nobody else's.
func deb(t *testing.T, dist string) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("no dpkg here")
	}
	at := t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/alternatives", "etc/alternatives"} {
		if err := os.MkdirAll(filepath.Join(at, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dpkg := []string{"--root=" + at, "--log=/dev/null", "--force-script-chrootless", "--force-depends"}
	run(t, "dpkg", append(append(dpkg, "-i"), packages(t, dist, "deb")...)...)
	installed(t, at)
	for _, name := range []string{"make-bcache", "bcache-super-show"} {
		if to, err := os.Readlink(filepath.Join(at, "etc/alternatives", name)); err != nil || to != "/usr/sbin/bctl" {
			t.Errorf("%s leads to %q, %v", name, to, err)
		}
		if to, err := os.Readlink(filepath.Join(at, "usr/sbin", name)); err != nil || to != "/etc/alternatives/"+name {
			t.Errorf("%s leads to %q, %v", name, to, err)
		}
	}
	run(t, "dpkg", append(dpkg, "--purge", "bctl-initramfs", "bctl")...)
	for _, name := range files(t, at) {
		if !strings.HasPrefix(name, "var/") {
			t.Errorf("dpkg leaves %s", name)
		}
	}
}

// rpm tries Fedora's and SUSE's.
func rpm(t *testing.T, dist string) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("no rpm here (Debian: rpm)")
	}
	at := t.TempDir()
	rpm := []string{"--root", at, "--dbpath", "/var/lib/rpm", "--nodeps", "--noscripts"}
	if _, err := os.Stat("/etc/debian_version"); err == nil {
		rpm = append(rpm, "--force-debian")
	}
	run(t, "rpm", append(append(rpm, "-i"), packages(t, dist, "rpm")...)...)
	installed(t, at)
	run(t, "rpm", append(rpm, "-e", "bctl", "bctl-initramfs")...)
	for _, name := range files(t, at) {
		if !strings.HasPrefix(name, "var/") {
			t.Errorf("rpm leaves %s", name)
		}
	}
}

// What make install puts somewhere is under PREFIX, wherever that is.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("links bctl")
	}
	at, out := t.TempDir(), t.TempDir()
	makeTargets(t, "install", "OUT="+out, "DESTDIR="+at, "PREFIX=/opt/x", "MANDIR=/opt/y")
	found := files(t, at)
	for _, name := range found {
		if !strings.HasPrefix(name, "opt/x/") && !strings.HasPrefix(name, "opt/y/man") {
			t.Errorf("%s is not below PREFIX", name)
		}
	}
	if len(found) < 25 {
		t.Errorf("%d files", len(found))
	}
}

// The scripts that run at boot are of the plainest shell there is.
func TestScripts(t *testing.T) {
	for _, name := range []string{
		"lib/bctl-boot", "initramfs-tools/hooks/bctl", "initramfs-tools/scripts/bctl", "dracut/bctl-settled.sh",
		"scripts/bctl-postinstall", "scripts/bctl-preremove", "scripts/initramfs-update",
	} {
		run(t, "sh", "-n", name)
	}
}
