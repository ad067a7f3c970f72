// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newFile makes an empty image file.
func newFile(t testing.TB, name string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// bctl runs the program under test and returns its output and exit code.
func bctl(t testing.TB, args ...string) (stdout string, code int) {
	t.Helper()
	cmd := exec.Command(bctlBinary.build(t), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if s := errs.String(); s != "" {
		t.Logf("bctl %s:\n%s", strings.Join(args, " "), s)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// bctlJSON runs a command that must succeed, and decodes what it writes.
func bctlJSON(t testing.TB, to any, args ...string) {
	t.Helper()
	out, code := bctl(t, args...)
	if err := json.Unmarshal([]byte(out), to); code != 0 || err != nil {
		t.Fatalf("bctl %q: exit %d, %v\n%s", args, code, err, out)
	}
}

// format runs bctl format, which must succeed.
func format(t testing.TB, args ...string) {
	t.Helper()
	if out, code := bctl(t, append([]string{"format"}, args...)...); code != 0 {
		t.Fatalf("bctl format %q: exit %d\n%s", args, code, out)
	}
}

// A Check is what bctl fsck --json says, as far as the kernel has a word on it.
type Check struct {
	Code     int `json:"-"`
	Result   string
	Findings []struct{ Code, Severity, Message string }
	Summary  struct {
		Btree struct {
			Depth   int
			Nodes   int
			Extents int64
		}
		Volumes []VolumeCount
	}
}

// VolumeCount is what one side says of a volume.
type VolumeCount struct {
	Inode        uint32
	LiveSectors  int64 `json:"live_sectors"`
	DirtySectors int64 `json:"dirty_sectors"`
}

// Damage are the findings that are damage, as text.
func (c *Check) Damage() []string {
	var list []string
	for _, f := range c.Findings {
		if f.Severity == "damage" {
			list = append(list, f.Code+" "+f.Message)
		}
	}
	return list
}

// has reports whether there is a finding of that code.
func (c *Check) has(code string) bool {
	for _, f := range c.Findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

// fsck checks a device, with the backing devices where they are given.
func fsck(t testing.TB, devices ...string) *Check {
	t.Helper()
	out, code := bctl(t, append([]string{"fsck", "--json"}, devices...)...)
	c := &Check{Code: code}
	if err := json.Unmarshal([]byte(out), c); err != nil {
		t.Fatalf("bctl fsck --json %q: exit %d, %v\n%s", devices, code, err, out)
	}
	return c
}

// Stats are the numbers of priority_stats.
type Stats struct {
	Unused    int    `json:"unused_pct"`
	Clean     int    `json:"clean_pct"`
	Dirty     int    `json:"dirty_pct"`
	Metadata  int    `json:"metadata_pct"`
	Average   uint64 `json:"average_prio"`
	Sectors   uint64 `json:"sectors_per_quantile"`
	Quantiles []uint64
}

// summary is bctl show-buckets --summary.
func summary(t testing.TB, device string) Stats {
	t.Helper()
	out, code := bctl(t, "show-buckets", "--summary", "--json", device)
	var s Stats
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
		t.Fatalf("bctl show-buckets --summary %s: exit %d, %v\n%s", device, code, err, out)
	}
	return s
}
