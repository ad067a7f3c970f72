// SPDX-License-Identifier: GPL-2.0-only

// Command speed measures bctl beside its peers, and writes the tables of docs/performance.md. `make bench` runs it.
//
//	speed -bctl ./bctl -dir SCRATCH [-cache-check PATH -cache-restore PATH] [-kernel-loop PATH] [-runs 5]
//
// Every figure is that of a whole process, as the operating system counts it, and the median of several runs; programs
// that stand side by side in a table ran in turn, so that a machine that slows down slows all of them.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// options is the command line.
type options struct {
	bctl, dir                string
	cacheCheck, cacheRestore string
	kernelLoop               string
	runs                     int
	quick                    bool
	out                      io.Writer
}

func main() {
	o := options{out: os.Stdout}
	flag.StringVar(&o.bctl, "bctl", "./bctl", "the program that is measured")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where images go: 3 GB")
	flag.StringVar(&o.cacheCheck, "cache-check", "", "cache_check of thin-provisioning-tools 1.x; without it there is no peer")
	flag.StringVar(&o.cacheRestore, "cache-restore", "", "cache_restore of the same, which makes its metadata")
	flag.StringVar(&o.kernelLoop, "kernel-loop", "", "the kernel's allocator in a loop; see kernelloop")
	flag.IntVar(&o.runs, "runs", 5, "runs of each; the median counts")
	flag.BoolVar(&o.quick, "quick", false, "a sixteenth of everything, to try it")
	flag.Parse()
	if err := o.all(); err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

func (o *options) all() error {
	dir, err := os.MkdirTemp(o.dir, "bctl-speed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	if err := o.checks(); err != nil {
		return err
	}
	if err := o.allocator(); err != nil {
		return err
	}
	return o.replay()
}

// usage is what one run took.
type usage struct {
	cpu, wall float64 // seconds
	peak      int64   // KiB
}

// run runs a command once. Its exit code does not matter: what fsck finds is not what is measured.
func run(name string, args ...string) (usage, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdout = io.Discard
	start := time.Now()
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > 4 || cmd.ProcessState.ExitCode() < 0 {
		return usage{}, fmt.Errorf("%s %v: %w", name, args, err)
	}
	u := usage{cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), wall: time.Since(start).Seconds()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = int64(r.Maxrss)
	}
	return u, nil
}

// inTurn runs each command once for nothing, and then all of them in turn; it returns each one's medians.
func (o *options) inTurn(commands [][]string) ([]usage, error) {
	all := make([][]usage, len(commands))
	for i := range o.runs + 1 {
		for c, words := range commands {
			u, err := run(words[0], words[1:]...)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				all[c] = append(all[c], u)
			}
		}
	}
	medians := make([]usage, len(commands))
	for c, us := range all {
		medians[c] = usage{
			cpu:  median(us, func(u usage) float64 { return u.cpu }),
			wall: median(us, func(u usage) float64 { return u.wall }),
			peak: slices.MaxFunc(us, func(a, b usage) int { return int(a.peak - b.peak) }).peak,
		}
	}
	return medians, nil
}

func median(us []usage, of func(usage) float64) float64 {
	var fs []float64
	for _, u := range us {
		fs = append(fs, of(u))
	}
	slices.Sort(fs)
	return fs[len(fs)/2]
}

// checks measures whole commands on images of several sizes.
func (o *options) checks() error {
	fmt.Fprintln(o.out, "| | CPU s | wall s | peak MiB | million a CPU second |\n| --- | --- | --- | --- | --- |")
	for _, millions := range []int{1, 4, 16} {
		n := millions * 1000000
		if o.quick {
			n /= 16
		}
		if err := o.checksOf(n, "1"); err != nil {
			return err
		}
	}
	if o.quick {
		return nil
	}
	return o.checksOf(16000000, "4")
}

// checksOf measures the commands on n extents, in nodes of so many bsets.
func (o *options) checksOf(n int, bsets string) error {
	buckets := 2228224
	if o.quick {
		buckets /= 16
	}
	image := filepath.Join(o.dir, "cache.img")
	defer os.Remove(image)
	if _, err := run(o.bctl, "generate", "--buckets", fmt.Sprint(buckets), "--extents", fmt.Sprint(n), "--bsets", bsets, image); err != nil {
		return err
	}
	name := fmt.Sprintf("%.3g million extents, %s bsets a node", float64(n)/1e6, bsets)
	names := []string{"fsck, " + name, "show-buckets --summary", "show-buckets --format csv", "reading the same metadata"}
	meta := filepath.Join(o.dir, "metadata")
	defer os.Remove(meta)
	if err := allocated(image, meta); err != nil {
		return err
	}
	commands := [][]string{
		{o.bctl, "fsck", "-q", image},
		{o.bctl, "show-buckets", "-q", "--summary", image},
		{o.bctl, "show-buckets", "-q", "--format", "csv", image},
		{"cat", meta},
	}
	count := []int{n, n, buckets, 0}
	if o.cacheCheck != "" && bsets == "1" {
		peer := filepath.Join(o.dir, "peer")
		defer os.Remove(peer)
		if err := o.mappings(n, peer); err != nil {
			return err
		}
		names, commands, count = append(names, "cache_check, as many mappings"), append(commands, []string{o.cacheCheck, peer}), append(count, n)
	}
	us, err := o.inTurn(commands)
	if err != nil {
		return err
	}
	for i, u := range us {
		rate := ""
		if count[i] > 0 {
			rate = fmt.Sprintf("%.3g", float64(count[i])/1e6/u.cpu)
		}
		fmt.Fprintf(o.out, "| %s | %.2f | %.2f | %d | %s |\n", names[i], u.cpu, u.wall, u.peak/1024, rate)
	}
	return nil
}

// allocated copies what a sparse image holds, one piece behind the other.
func allocated(image, to string) error {
	in, err := os.Open(image)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	const seekData, seekHole = 3, 4 // SEEK_DATA, SEEK_HOLE
	for at := int64(0); ; {
		data, err := in.Seek(at, seekData)
		if err != nil {
			break // no more
		}
		hole, err := in.Seek(data, seekHole)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, io.NewSectionReader(in, data, hole-data)); err != nil {
			return err
		}
		at = hole
	}
	return out.Close()
}

// mappings makes dm-cache metadata of n mappings that lie anywhere.
func (o *options) mappings(n int, to string) error {
	text := filepath.Join(o.dir, "mappings.xml")
	defer os.Remove(text)
	f, err := os.Create(text)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintf(w, "<superblock uuid=\"\" block_size=\"64\" nr_cache_blocks=\"%d\" policy=\"smq\" hint_width=\"4\">\n<mappings>\n", n)
	for i := range n {
		fmt.Fprintf(w, "<mapping cache_block=\"%d\" origin_block=\"%d\" dirty=\"%v\"/>\n", i, i*7919%n, i%5 == 0)
	}
	fmt.Fprint(w, "</mappings>\n<hints>\n")
	for i := range n {
		fmt.Fprintf(w, "<hint cache_block=\"%d\" data=\"AAAAAA==\"/>\n", i)
	}
	fmt.Fprint(w, "</hints>\n</superblock>\n")
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(to, int64(n)*16+64<<20); err != nil {
		return err
	}
	_, err = run(o.cacheRestore, "-i", text, "-o", to)
	return err
}
