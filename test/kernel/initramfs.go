// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// An archive is written in cpio's newc form, which is what the kernel unpacks as its first root.
type archive struct {
	w   io.Writer
	n   int64
	ino int
	err error
}

const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

func (a *archive) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
		a.n += int64(len(b))
	}
}

// pad brings the archive to a multiple of four bytes.
func (a *archive) pad() { a.write(make([]byte, -a.n&3)) }

// add writes one entry: thirteen numbers of eight hexadecimal digits, the name, the contents.
func (a *archive) add(name string, mode uint32, data []byte) {
	a.ino++
	fields := [13]int{a.ino, int(mode), 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0}
	var head bytes.Buffer
	head.WriteString("070701")
	for _, f := range fields {
		fmt.Fprintf(&head, "%08x", f)
	}
	head.WriteString(name)
	head.WriteByte(0)
	a.write(head.Bytes())
	a.pad()
	a.write(data)
	a.pad()
}

func (a *archive) dirs(names ...string) {
	for _, n := range names {
		a.add(n, modeDir, nil)
	}
}

func (a *archive) addFile(name, from string) {
	data, err := os.ReadFile(from)
	if a.err == nil {
		a.err = err
	}
	a.add(name, modeFile, data)
}

func (a *archive) close() error {
	a.add("TRAILER!!!", 0, nil)
	return a.err
}

// writeInitramfs packs what the guest boots: busybox, the guest program, the modules, init, and what more adds.
func writeInitramfs(t testing.TB, to string, k Kernel, more func(a *archive)) error {
	t.Helper()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return err
	}
	a := &archive{w: z}
	a.dirs("bin", "dev", "proc", "sys", "modules", "disk", "tmp")
	a.addFile("bin/busybox", busybox(t))
	a.addFile("bin/guest", guestBinary.build(t))
	for i, name := range modules {
		from, dir := filepath.Join(k.Modules, name+".ko"), "modules"
		if name == disksModule {
			dir = "disk"
		}
		if _, err := os.Stat(from); err == nil {
			a.addFile(fmt.Sprintf("%s/%02d-%s.ko", dir, i, name), from)
		}
	}
	a.add("init", modeFile, initScript)
	if more != nil {
		more(a)
	}
	if err := a.close(); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

// pack adds what only this boot has: the script, and more.
func (b Boot) pack(a *archive) {
	a.add(scriptName, modeFile, []byte(b.Script))
	if b.More != nil {
		b.More(a)
	}
}

// scriptName is what the script is called in the guest, and the disk that has it where the guest is one that has booted.
const scriptName = "script"

// scriptDisk is an archive on a disk: a file in it is as long as it is.
func (b Boot) scriptDisk(path string) (Disk, error) {
	f, err := os.Create(path)
	if err != nil {
		return Disk{}, err
	}
	a := &archive{w: f}
	b.pack(a)
	err = a.close()
	a.write(make([]byte, -a.n&511))
	return Disk{Name: scriptName, Path: path, Snapshot: true}, errors.Join(err, a.err, f.Close())
}
