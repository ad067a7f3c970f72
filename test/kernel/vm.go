// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

//go:embed guest/init.sh
var initScript []byte

// A Disk is an image file that a boot shows to the guest as /disk/NAME.
type Disk struct {
	Name     string // at most 20 bytes: it is the disk's serial number
	Path     string
	Snapshot bool    // the guest's writes are thrown away
	Log      string  // file to record every write in
	Logical  int     // bytes of a logical block; 0: 512
	Broken   []int64 // sectors that cannot be read; only with Snapshot
}

// A Boot is one run of a virtual machine.
type Boot struct {
	Kernel  Kernel
	Disks   []Disk
	Script  string // shell, with the functions of guest/init.sh
	Timeout time.Duration
	More    func(a *archive) // what the guest has besides; nil: nothing
	MayDie  bool             // the kernel may panic, or hang, before the script's end: then the boot ends
}

// The disks stand on PCI slots from this one on, eight to a slot.
const firstSlot, perSlot, lastSlot = 4, 8, 31

// The machine. With two processors QEMU's emulation fails now and then, in a kernel that patches its own code. It moves
// memory byte by byte where a processor says that it does that well.
const (
	memoryMB   = 512
	processors = 1
	processor  = "max,erms=off"
)

// Run boots, waits for the end of the script or its crash, and returns what the guest reported. It fails the test
// where the guest did not come to an end. A kernel that can be resumed boots once in a test run.
func (b Boot) Run(t testing.TB) *Report {
	t.Helper()
	if b.resumable() {
		if r := b.run(t, booted(t, b.Kernel)); r != nil {
			return r
		}
		t.Logf("linux %s was not resumed: it boots", b.Kernel.Series)
	}
	return b.run(t, nil)
}

// run is Run of a machine that boots, or of one that goes on where it was saved: nil if nothing comes of that.
func (b Boot) run(t testing.TB, from *saved) *Report {
	t.Helper()
	dir := t.TempDir()
	scratch, err := newScratch(filepath.Join(dir, scratchName))
	if err != nil {
		t.Fatal(err)
	}
	disks, args := append(slices.Clip(b.Disks), scratch), []string(nil)
	initramfs := filepath.Join(dir, "initramfs")
	if from == nil {
		err = writeInitramfs(t, initramfs, b.Kernel, func(a *archive) { b.pack(a) })
	} else {
		initramfs, args = from.initramfs, []string{"-incoming", from.source()}
		var script Disk
		script, err = b.scriptDisk(filepath.Join(dir, scriptName))
		disks = append(disks, script)
	}
	if err != nil {
		t.Fatal(err)
	}
	args = append(args, machine(b.Kernel, initramfs, filepath.Join(dir, "facts"))...)
	args = append(args, "-serial", "stdio")
	for i, d := range disks {
		args = append(args, d.args(t, i)...)
	}
	if from != nil {
		args = append(args, unused(len(disks))...)
	}
	return b.wait(t, dir, args, from != nil)
}

// machine are QEMU's arguments for what all machines have in common, but for the console, which is the first serial port.
func machine(k Kernel, initramfs, facts string) []string {
	return []string{
		"-accel", "tcg", "-cpu", processor, "-smp", fmt.Sprint(processors), "-m", fmt.Sprint(memoryMB),
		"-nodefaults", "-display", "none", "-no-reboot",
		"-chardev", "file,id=facts,path=" + facts, "-device", "isa-serial,index=1,chardev=facts",
		"-kernel", k.Image, "-initrd", initramfs,
		"-append", "console=ttyS0 quiet loglevel=4 panic=-1 edd=off mitigations=off no_timer_check nokaslr cryptomgr.notests",
	}
}

// wait runs QEMU to its end, and reads what was said.
func (b Boot) wait(t testing.TB, dir string, args []string, resumed bool) *Report {
	t.Helper()
	facts, scratch := filepath.Join(dir, "facts"), filepath.Join(dir, scratchName)
	console, err := os.Create(filepath.Join(dir, "console"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	timeout := b.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if b.MayDie {
		go cancelSilent(ctx, cancel, facts, console.Name())
	}
	var out bytes.Buffer
	qemu := exec.CommandContext(ctx, toolQEMU, args...)
	qemu.Stdout, qemu.Stderr = console, &out
	if resumed {
		qemu.Stdin = strings.NewReader(goOn)
	}
	err = qemu.Run()
	said := readText(facts)
	if resumed && said == "" {
		t.Logf("%v\n%s\n%s", err, out.String(), tail(readText(console.Name())))
		return nil
	}
	if err != nil && !b.MayDie {
		t.Fatalf("linux %s: %v after %v\n%s\nfacts:\n%s\nconsole:\n%s",
			b.Kernel.Series, err, time.Since(start).Round(time.Second), out.String(), tail(said), tail(readText(console.Name())))
	}
	r := parseReport(said, readText(console.Name()))
	if err := r.hash(scratch); err != nil {
		t.Fatal(err)
	}
	cpu := qemu.ProcessState.UserTime() + qemu.ProcessState.SystemTime()
	t.Logf("linux %s: %d disks, %d cases, %v, %v of them computing", b.Kernel.Release, len(b.Disks), len(r.Cases),
		time.Since(start).Round(100*time.Millisecond), cpu.Round(100*time.Millisecond))
	if !r.Ended && !b.MayDie {
		t.Fatalf("linux %s stopped before the script's end\nfacts:\n%s\nconsole:\n%s", b.Kernel.Series, tail(said), tail(r.Console))
	}
	return r
}

// cancelSilent ends a boot that has said nothing for long: its kernel hangs. One that is dying says so on its console.
// Until it says its first word it boots, which takes a busy machine long.
func cancelSilent(ctx context.Context, cancel context.CancelFunc, facts, console string) {
	said, since, patience := int64(0), time.Now(), 150*time.Second
	for ctx.Err() == nil && time.Since(since) < patience {
		time.Sleep(time.Second)
		if info, err := os.Stat(facts); err == nil && (info.Size() != said || said == 0) {
			said, since = info.Size(), time.Now()
		}
		if len(deaths(readText(console))) > 0 {
			patience = 15 * time.Second
		}
	}
	cancel()
}

// args are QEMU's for one disk. Host flushes are left out: what a crash may lose is the guest's memory, not the file.
func (d Disk) args(t testing.TB, n int) []string {
	t.Helper()
	if firstSlot+n/perSlot > lastSlot || len(d.Name) > 20 || strings.ContainsAny(d.Name+d.Path+d.Log, ",=") {
		t.Fatalf("disk %d %q: too many disks, or a name that QEMU takes apart", n, d.Name)
	}
	file := fmt.Sprintf("driver=file,filename=%s,discard=unmap,cache.no-flush=on", d.Path)
	var args []string
	switch {
	case d.Log != "":
		if err := os.WriteFile(d.Log, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		args = []string{
			"-blockdev", fmt.Sprintf("%s,node-name=file%d", file, n),
			"-blockdev", fmt.Sprintf("driver=file,filename=%s,cache.no-flush=on,node-name=log%d", d.Log, n),
			"-blockdev", fmt.Sprintf("driver=blklogwrites,file=file%d,log=log%d,log-sector-size=512,discard=unmap,node-name=disk%d", n, n, n),
		}
	case d.Snapshot:
		drive := fmt.Sprintf("driver=raw,if=none,id=disk%d,cache=unsafe,discard=unmap,snapshot=on,file.driver=file,file.filename=%s", n, d.Path)
		if len(d.Broken) > 0 {
			drive = strings.ReplaceAll(drive, "file.driver=file,file.", "file.driver=blkdebug,file.image.")
			for i, sector := range d.Broken {
				drive += fmt.Sprintf(",file.inject-error.%d.event=read_aio,file.inject-error.%[1]d.errno=5,file.inject-error.%[1]d.sector=%d", i, sector)
			}
		}
		args = []string{"-drive", drive}
	default:
		args = []string{
			"-blockdev", fmt.Sprintf("%s,node-name=file%d", file, n),
			"-blockdev", fmt.Sprintf("driver=raw,file=file%d,discard=unmap,node-name=disk%d", n, n),
		}
	}
	return append(args, "-device", fmt.Sprintf("%s,serial=%s,logical_block_size=%[3]d,physical_block_size=%[3]d", slotOf(n), d.Name, max(d.Logical, 512)))
}

// slotOf is the device of a disk, by its number.
func slotOf(n int) string {
	return fmt.Sprintf("virtio-blk-pci,drive=disk%d,addr=%#x.%d,multifunction=on", n, firstSlot+n/perSlot, n%perSlot)
}

// readText reads what a serial port wrote; what is not there was not said.
func readText(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(b, []byte("\r"), nil))
}

// tail is the end of a long text.
func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "..." + s[len(s)-most:]
	}
	return s
}
