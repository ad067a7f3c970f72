// SPDX-License-Identifier: GPL-2.0-only

// Package kernel boots a real Linux kernel under QEMU's software emulation and asks it whether bctl is right: what
// bctl formats, the kernel must register, fill and read; what the kernel leaves behind, after a stop or a crash at
// any write, bctl must find clean and read as the kernel reads it.
//
// The tests run where BCTL_KERNEL_TEST is set: to "1", they skip where QEMU, busybox or the kernel packages are
// missing; to "require", they fetch the kernel packages from Debian with apt-get, and fail where something is missing.
// `make kernel-test` does the latter. Nothing here needs root, KVM or a bcache module on the host.
//
// The pieces: tools.go finds what is needed, kernel.go unpacks Debian's cloud kernels, initramfs.go packs busybox,
// the modules and the program guest/ (seeded I/O, see package workload), vm.go boots a script with disks, resume.go lets
// one boot do for all scripts of a test run, and report.go reads what was said. writelog.go replays QEMU's write logs,
// bctl.go runs the bctl under test, trial.go plants damages and lets the kernel try them, and verdict.go puts into words
// what it made of one.
package kernel
