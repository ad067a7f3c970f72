// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// needUnstable fetches the kernel that Debian unstable has, with an apt of its own: the machine's stays as it is. Where
// it is gone by now, that is said, and a kernel without an image comes back.
func needUnstable(t testing.TB, k Kernel, release string) Kernel {
	t.Helper()
	if !required() {
		t.Logf("no kernel %s: %s=require fetches it from Debian unstable", k.Series, envTest)
		return Kernel{}
	}
	dir, err := os.MkdirTemp("", "bctl-unstable-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	pkgs, err := fetchUnstable(dir, k.Series)
	if err != nil {
		t.Logf("no kernel %s, so it is not asked: %v", k.Series, err)
		return Kernel{}
	}
	k.install(t, release, pkgs...)
	return k
}

// unstableParts are the packages of a kernel by now: the image, and the modules.
var unstableParts = []string{"linux-binary-", "linux-modules-"}

// fetchUnstable downloads the newest packages of a series. An error says that there are none, or no network.
func fetchUnstable(dir, series string) (pkgs []string, err error) {
	options, err := unstableApt(dir)
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command("apt-get", append(options, "update", "-qq")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("apt-get update: %w: %s", err, bytes.TrimSpace(out))
	}
	for _, part := range unstableParts {
		out, err := exec.Command("apt-cache", append(options, "pkgnames", part+series)...).Output()
		if err != nil {
			return nil, fmt.Errorf("apt-cache: %w", err)
		}
		want := regexp.MustCompile(`^` + part + regexp.QuoteMeta(series) + `[.0-9]*[+.a-z0-9]*-amd64$`)
		names := slices.DeleteFunc(strings.Fields(string(out)), func(s string) bool { return !want.MatchString(s) })
		if len(names) == 0 {
			return nil, fmt.Errorf("Debian unstable has no %s%s", part, series)
		}
		get := exec.Command("apt-get", append(options, "download", "-qq", slices.MaxFunc(names, natural))...)
		get.Dir = dir
		if out, err := get.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("apt-get download: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	pkgs, err = filepath.Glob(filepath.Join(dir, "*.deb"))
	if len(pkgs) != len(unstableParts) {
		return nil, fmt.Errorf("%d packages: %w", len(pkgs), err)
	}
	return pkgs, err
}

// unstableApt makes apt's folders below dir, and returns the options that keep it there.
func unstableApt(dir string) (options []string, err error) {
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	list := filepath.Join(dir, "etc", "sources.list")
	line := fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s sid main\n", cmp.Or(mirror(), "http://deb.debian.org/debian"))
	if err := os.WriteFile(list, []byte(line), 0o644); err != nil {
		return nil, err
	}
	for _, o := range []string{
		"Dir::State=" + filepath.Join(dir, "state"), "Dir::State::status=/var/lib/dpkg/status", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"Dir::Etc::sourcelist=" + list, "Dir::Etc::sourceparts=/dev/null", "APT::Sandbox::User=root",
	} {
		options = append(options, "-o", o)
	}
	return options, nil
}

// mirror is where this machine gets Debian from; "" where its sources say it in another way.
func mirror() string {
	f, err := os.Open("/etc/apt/sources.list.d/debian.sources")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if uri, ok := strings.CutPrefix(s.Text(), "URIs: "); ok {
			return strings.TrimSpace(uri)
		}
	}
	return ""
}
