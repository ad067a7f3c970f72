// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Series are the kernels that bctl answers to.
var Series = []string{"6.1", "6.12"}

// Repairs are the kernels that must register what bctl has repaired. The last is Debian unstable's, for as long as it
// is there.
var Repairs = []string{"6.1", "6.12", unstable}

const unstable = "7.2"

// modules in the order they are loaded; what a kernel has built in is not in its package.
var modules = []string{
	"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "crc64", "bcache", disksModule,
}

// disksModule finds the disks.
const disksModule = "virtio_blk"

// A Kernel is an unpacked kernel package.
type Kernel struct {
	Series  string
	Release string // as uname -r says it
	Image   string // path of vmlinuz
	Modules string // folder of the modules, uncompressed
}

// fetching keeps tests that run side by side from unpacking the same kernel.
var fetching sync.Mutex

// needKernel finds the kernel of a series in the cache, or the package in the cache, or with "require" in Debian.
func needKernel(t testing.TB, series string) Kernel {
	t.Helper()
	needLab(t)
	fetching.Lock()
	defer fetching.Unlock()
	cache, err := cacheDir()
	if err != nil {
		missing(t, "no place for kernels: %v", err)
	}
	k := Kernel{Series: series, Image: filepath.Join(cache, series, "vmlinuz"), Modules: filepath.Join(cache, series, "modules")}
	release := filepath.Join(cache, series, "release")
	if b, err := os.ReadFile(release); err == nil {
		k.Release = string(b)
		return k
	}
	if series == unstable {
		return needUnstable(t, k, release)
	}
	pkg, err := findPackage(cache, series)
	if err == nil && pkg == "" && required() {
		pkg, err = fetchPackage(cache, series)
	}
	if err != nil {
		missing(t, "kernel %s: %v", series, err)
	}
	if pkg == "" {
		missing(t, "no kernel %s: %s=require fetches it, or put Debian's linux-image-%s*-cloud-amd64 package into %s",
			series, envTest, series, cache)
	}
	k.install(t, release, pkg)
	return k
}

// install unpacks a kernel from its packages. The release is written last: it says that the rest is whole.
func (k *Kernel) install(t testing.TB, release string, pkgs ...string) {
	t.Helper()
	for _, pkg := range pkgs {
		name, err := k.unpack(pkg)
		if err != nil {
			t.Fatalf("%s: %v", pkg, err)
		}
		if name != "" {
			k.Release = name
		}
	}
	if _, err := os.Stat(filepath.Join(k.Modules, "bcache.ko")); err != nil || k.Release == "" {
		t.Fatalf("%s: the packages lack vmlinuz or bcache.ko", k.Series)
	}
	k.noteBuiltin(t)
	if err := os.WriteFile(release, []byte(k.Release), 0o644); err != nil {
		t.Fatal(err)
	}
}

// packageName is what a series' cloud kernel is called in Debian 12: linux-image-6.1.0-50-cloud-amd64,
// linux-image-6.12.100+deb12-cloud-amd64.
func packageName(series string) *regexp.Regexp {
	return regexp.MustCompile(`^linux-image-` + regexp.QuoteMeta(series) + `[.][.0-9-]*([+]deb1[0-9])?-cloud-amd64`)
}

// findPackage is the newest package of the series in dir, or "".
func findPackage(dir, series string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".deb") && packageName(series).MatchString(e.Name()) {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	if len(found) == 0 {
		return "", nil
	}
	return slices.MaxFunc(found, natural), nil
}

// fetchPackage downloads the newest package of the series that apt knows of.
func fetchPackage(dir, series string) (string, error) {
	out, err := exec.Command("apt-cache", "search", "--names-only", "^linux-image-.*-cloud-amd64$").Output()
	if err != nil {
		return "", fmt.Errorf("apt-cache: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, " ")
		if m := packageName(series).FindString(name); m == name && name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("apt knows no linux-image-%s*-cloud-amd64", series)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	get := exec.Command("apt-get", "download", "-q", slices.MaxFunc(names, natural))
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		return "", fmt.Errorf("apt-get download: %w\n%s", err, out)
	}
	return findPackage(dir, series)
}

// needModules takes modules out of the package that an older test left in the cache, where they are not there yet.
func (k Kernel) needModules(t testing.TB, names []string) {
	t.Helper()
	fetching.Lock()
	defer fetching.Unlock()
	if !slices.ContainsFunc(names, func(name string) bool { return !isThere(k.module(name)) && !isThere(k.builtin(name)) }) {
		return
	}
	pkg, err := findPackage(filepath.Dir(k.Modules), k.Series)
	if pkg == "" {
		pkg, err = findPackage(filepath.Dir(filepath.Dir(k.Modules)), k.Series)
	}
	if pkg == "" && err == nil && k.Series == unstable {
		needUnstable(t, k, filepath.Join(filepath.Dir(k.Modules), "release")) // which unpacks them too
		return
	}
	if err != nil || pkg == "" {
		missing(t, "kernel %s: its modules %q are not unpacked: %v", k.Series, names, err)
	}
	if _, err := k.unpack(pkg); err != nil {
		t.Fatal(err)
	}
	k.noteBuiltin(t)
}

func (k Kernel) module(name string) string { return filepath.Join(k.Modules, name+".ko") }

// builtin is a file that says that a kernel has a module built in: there is none to look for.
func (k Kernel) builtin(name string) string { return filepath.Join(k.Modules, name+".builtin") }

// noteBuiltin is for a kernel that has just been unpacked.
func (k Kernel) noteBuiltin(t testing.TB) {
	t.Helper()
	for _, name := range slices.Concat(modules, dmModules, moreModules) {
		if isThere(k.module(name)) {
			continue
		}
		if err := os.WriteFile(k.builtin(name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// modulesOf finds a kernel's release in the path of its modules.
var modulesOf = regexp.MustCompile(`/modules/([0-9][^/]*)/`)

// natural compares as sort -V does: runs of digits by their value.
func natural(a, b string) int {
	digits := regexp.MustCompile(`\d+|\D+`)
	x, y := digits.FindAllString(a, -1), digits.FindAllString(b, -1)
	return slices.CompareFunc(x, y, func(p, q string) int {
		if p[0] >= '0' && p[0] <= '9' && q[0] >= '0' && q[0] <= '9' && len(p) != len(q) {
			return len(p) - len(q)
		}
		return strings.Compare(p, q)
	})
}

// unpack takes the kernel and its modules out of the package, and returns the release.
func (k Kernel) unpack(pkg string) (release string, err error) {
	if err := os.MkdirAll(k.Modules, 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", pkg)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	for files := tar.NewReader(pipe); ; {
		h, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", errors.Join(err, cmd.Wait())
		}
		base := path.Base(h.Name)
		if m := modulesOf.FindStringSubmatch(h.Name); m != nil {
			release = m[1]
		}
		if h.Typeflag == tar.TypeReg && strings.HasPrefix(base, "vmlinuz") {
			err = save(k.Image, files)
		} else if name, packing, ok := strings.Cut(base, ".ko"); ok && slices.Contains(slices.Concat(modules, dmModules, moreModules), name) {
			err = saveModule(filepath.Join(k.Modules, name+".ko"), packing, files)
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("%s: %w", h.Name, err), cmd.Wait())
		}
	}
	return release, cmd.Wait()
}

// saveModule unpacks a module; the guest's insmod cannot.
func saveModule(to, packing string, r io.Reader) error {
	unpack := map[string]string{".xz": "xz", ".zst": "zstd"}[packing]
	if unpack == "" {
		return save(to, r)
	}
	var out bytes.Buffer
	cmd := exec.Command(unpack, "-dc")
	cmd.Stdin, cmd.Stdout = r, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", unpack, err)
	}
	return save(to, &out)
}

func save(to string, r io.Reader) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// isDynamic reports whether a program needs a loader.
func isDynamic(program string) bool {
	f, err := elf.Open(program)
	if err != nil {
		return true
	}
	defer f.Close()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}
