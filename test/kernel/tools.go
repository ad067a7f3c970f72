// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// The environment variables that steer the tests.
const (
	envTest  = "BCTL_KERNEL_TEST"       // unset: skip; 1: skip what is missing; require: fail instead
	envCache = "BCTL_KERNEL_TEST_CACHE" // where the unpacked kernels are kept
	envKeep  = "BCTL_KERNEL_TEST_KEEP"  // where the images of failed tests are kept
)

// The tools, by what to say where they are missing.
const (
	toolQEMU    = "qemu-system-x86_64"
	toolBusybox = "busybox"
)

func required() bool { return os.Getenv(envTest) == "require" }

// missing skips the test for want of something, or fails it where it was to be required.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if required() {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// needLab skips where the tests were not asked for, or the programs they need are not there.
func needLab(t testing.TB) {
	t.Helper()
	if os.Getenv(envTest) == "" {
		t.Skipf("boots virtual machines for some minutes: set %s=1, or run make kernel-test", envTest)
	}
	if testing.Short() {
		t.Skip("boots virtual machines for some minutes")
	}
	if _, err := exec.LookPath(toolQEMU); err != nil {
		missing(t, "no %s (Debian: qemu-system-x86)", toolQEMU)
	}
	busybox(t)
}

// busybox is the path of a static busybox.
func busybox(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath(toolBusybox)
	if err != nil {
		missing(t, "no %s (Debian: busybox-static)", toolBusybox)
	}
	if isDynamic(path) {
		missing(t, "%s is not static (Debian: busybox-static)", path)
	}
	return path
}

// cacheDir is where the kernels are kept from one run to the next.
func cacheDir() (string, error) {
	if dir := os.Getenv(envCache); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "bctl-kernel-test"), err
}

// A program is a command of this module, built once in a test run.
type program struct {
	pkg  string
	once sync.Once
	path string
	err  error
	out  []byte
}

var (
	guestBinary = program{pkg: "bctl/test/kernel/guest"}
	bctlBinary  = program{pkg: "bctl/cmd/bctl"}
	binDir      string // removed by TestMain
)

// build returns the path of the program. It is static: the guest has no libraries.
func (p *program) build(t testing.TB) string {
	t.Helper()
	p.once.Do(func() {
		p.path = filepath.Join(binDir, filepath.Base(p.pkg))
		cmd := exec.Command("go", "build", "-o", p.path, p.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		p.out, p.err = cmd.CombinedOutput()
	})
	if p.err != nil {
		t.Fatalf("go build %s: %v\n%s", p.pkg, p.err, p.out)
	}
	return p.path
}
