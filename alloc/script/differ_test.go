// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bctl/alloc"
)

// TestSlowCases holds the slow model itself to the kernel's output.
func TestSlowCases(t *testing.T) {
	outputs, _ := filepath.Glob(filepath.Join(casesDir, "*.out"))
	for _, want := range outputs {
		base, model := strings.TrimSuffix(want, ".out"), "6.2"
		for suffix, m := range map[string]string{".v46": "4.6", ".v72": "7.2"} {
			if b, ok := strings.CutSuffix(base, suffix); ok {
				base, model = b, m
			}
		}
		script, err := os.ReadFile(base + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		if echoed[filepath.Base(want)] {
			wanted = withoutEcho(wanted)
		}
		k := newSlowKernel(model)
		for line := range strings.Lines(string(script)) {
			if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
				k.exec(strings.TrimSpace(line))
			}
		}
		k.finish()
		if d := firstDifference(k.out.String(), string(wanted)); d != "" {
			t.Errorf("%s: %s", want, d)
		}
	}
}

// TestDifferential runs generated scripts through both models. For more of
// them set BCTL_ALLOC_SCRIPTS, for others BCTL_ALLOC_SEED.
func TestDifferential(t *testing.T) {
	scripts, seed := 250, 1
	if testing.Short() { // for -race, which is hard on the slow model's coroutines
		scripts = 50
	}
	for name, v := range map[string]*int{"BCTL_ALLOC_SCRIPTS": &scripts, "BCTL_ALLOC_SEED": &seed} {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			*v = n
		}
	}
	for _, m := range alloc.Models() {
		for _, policy := range []string{"lru", "fifo", "random"} {
			t.Run(m.Name+"/"+policy, func(t *testing.T) {
				for i := range scripts {
					differ(t, m, policy, uint64(seed), uint64(i))
				}
			})
		}
	}
}

// TestDifferentialLarge compares refills of big devices, where the heap is deep
// and buckets enter it three at a time.
func TestDifferentialLarge(t *testing.T) {
	for i, buckets := range []int{8192, 9000, 16384, 32768, 65536, 65536, 131072} {
		for j, fields := range []string{"prio 1 32768", "prio 30000 30007", "prio 1 1", "used 1 9"} {
			k := newSlowKernel("6.2")
			var text strings.Builder
			add := func(format string, a ...any) {
				line := fmt.Sprintf(format, a...)
				text.WriteString(line + "\n")
				k.exec(line)
			}
			name, span, _ := strings.Cut(fields, " ")
			add("config nbuckets=%d bucket_size=128 sync=0", buckets)
			add("scatter mark %d 1 2", i)
			add("used 1-%d 64", buckets-1)
			add("scatter %s %d %s", name, 9*i+j, span)
			add("start existing")
			for range 3 * buckets / 1024 {
				add("alloc none wait")
				add("alloc movinggc wait")
			}
			add("hash")
			k.finish()
			var got bytes.Buffer
			if err := Run(strings.NewReader(text.String()), &got, alloc.DefaultModel()); err != nil {
				t.Fatal(err)
			}
			if d := firstDifference(got.String(), k.out.String()); d != "" {
				t.Errorf("%d buckets, %s: %s", buckets, fields, d)
			}
		}
	}
}

func differ(t *testing.T, m alloc.Model, policy string, seed, number uint64) {
	rng := rand.New(rand.NewPCG(seed, number<<8|uint64(len(m.Name+policy))))
	text, want := generate(rng, policy, m.Name)
	var got bytes.Buffer
	err := Run(strings.NewReader(text), &got, m)
	d := firstDifference(got.String(), want)
	if err == nil && d == "" {
		return
	}
	name := filepath.Join(os.TempDir(), fmt.Sprintf("bctl-%s-%s-%d-%d.txt", m.Name, policy, seed, number))
	if werr := os.WriteFile(name, []byte(text), 0o666); werr != nil {
		t.Log(werr)
	}
	t.Fatalf("script %d, kept as %s: %v\n%s", number, name, err, d)
}
