// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bctl/alloc"
	"bctl/alloc/cachesim"
)

// allocator measures the bare loop, by CPU time, in turn with the kernel's.
func (o *options) allocator() error {
	fmt.Fprintln(o.out, "\n| million allocations a CPU second | bctl | the kernel's alloc.c at -O2 | ratio |\n| --- | --- | --- | --- |")
	for _, policy := range []string{"lru", "fifo", "random"} {
		for _, prios := range []string{"ties", "random"} {
			for _, shift := range []int{16, 20} {
				if err := o.loops(policy, prios, shift); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (o *options) loops(policy, prios string, shift int) error {
	n := 20000000
	if policy == "lru" {
		n = 1000000
	}
	if o.quick {
		n /= 16
	}
	var ours, theirs, ratios []float64
	for range o.runs {
		a, err := loop(policy, prios, shift, n)
		if err != nil {
			return err
		}
		ours = append(ours, a)
		if o.kernelLoop == "" {
			continue
		}
		out, err := exec.Command(o.kernelLoop, policy, prios, fmt.Sprint(shift), fmt.Sprint(n)).Output()
		if err != nil {
			return fmt.Errorf("%s: %w", o.kernelLoop, err)
		}
		var b float64
		if _, err := fmt.Sscan(string(out), &b); err != nil {
			return fmt.Errorf("%s: %w", o.kernelLoop, err)
		}
		theirs, ratios = append(theirs, b), append(ratios, a/b)
	}
	fmt.Fprintf(o.out, "| %s, prios %s, 2^%d buckets | %s | %s | %s |\n", policy, prios, shift, middle(ours), middle(theirs), middle(ratios))
	return nil
}

func middle(fs []float64) string {
	if len(fs) == 0 {
		return "not measured"
	}
	slices.Sort(fs)
	return fmt.Sprintf("%.3g", fs[len(fs)/2])
}

// loop is the kernel's loop on our allocator: million allocations a CPU second, once every bucket was used twice.
func loop(policy, prios string, shift, n int) (float64, error) {
	cfg := alloc.DefaultConfig()
	cfg.NBuckets = 1 << shift
	var err error
	if cfg.Policy, err = alloc.ParsePolicy(policy); err != nil {
		return 0, err
	}
	l, err := cachesim.NewBare(cfg, prios, 1, nil)
	if err != nil {
		return 0, err
	}
	if err := l.Do(2 * cfg.NBuckets); err != nil {
		return 0, err
	}
	start := cpu()
	if err := l.Do(n); err != nil {
		return 0, err
	}
	return float64(n) / 1e6 / (cpu() - start), nil
}

// cpu is what this process has used, in seconds.
func cpu() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// replay measures a trace through a modelled cache. The kernel has nothing to put beside it.
func (o *options) replay() error {
	n := 4000000
	if o.quick {
		n /= 16
	}
	trace := filepath.Join(o.dir, "trace.csv")
	defer os.Remove(trace)
	f, err := os.Create(trace)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := alloc.SplitMix64(1)
	for i := range n {
		rank := r.Next() % (1 << (r.Next() % 22)) // every power of two of ranks is as likely as the next
		op := "Read"
		if r.Next()%3 == 0 {
			op = "Write"
		}
		fmt.Fprintf(w, "%d,host,0,%s,%d,4096,1\n", 128166372000000000+int64(i)*1000, op, rank*0x9e3779b1%(1<<21)*4096)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	policies := []string{"lru", "fifo", "random"}
	var commands [][]string
	for _, p := range policies {
		commands = append(commands, []string{o.bctl, "alloc-bench", "-q", "--trace", trace, "--trace-format", "msr", "--policy", p, "--cache-size", "4G"})
	}
	us, err := o.inTurn(commands)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.out, "\n| trace of 4 KiB requests, MSR Cambridge's CSV, replayed | million requests a CPU second |\n| --- | --- |")
	for i, u := range us {
		fmt.Fprintf(o.out, "| %s, 4 GiB | %s |\n", policies[i], strings.TrimSpace(fmt.Sprintf("%.3g", float64(n)/1e6/u.cpu)))
	}
	return nil
}
