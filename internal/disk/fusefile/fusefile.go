// SPDX-License-Identifier: GPL-2.0-only

//go:build amd64 || arm64 || riscv64 || s390x || ppc64le || loong64

// Package fusefile shows bytes as one read-only file in a folder of its own, by FUSE. It knows nothing of what they are.
//
//	DIR           the folder that was mounted: root's, or the user's
//	DIR/volume    the file; what cannot be read is EIO
package fusefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"bctl/internal/workers"
)

// Name is the file's.
const Name = "volume"

const (
	fileNode   = 2
	readBytes  = 1 << 20 // at most in a request
	aheadBytes = 8 << 20
	forever    = 1 << 30 // seconds: nothing changes
	again      = 200 * time.Millisecond
)

// Options say how to serve.
type Options struct {
	Ready func()          // called once the file is there
	Busy  func(why error) // called once if it cannot be unmounted yet
}

// Serve mounts size bytes of r on the folder dir, and serves them until ctx ends or somebody unmounts it. When ctx ends
// it unmounts; while somebody still uses the file it says so, and waits. Errors: the system's, for what could not be
// mounted.
func Serve(ctx context.Context, dir string, r io.ReaderAt, size int64, o Options) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
	}
	fs := &file{RawFileSystem: fuse.NewDefaultRawFileSystem(), r: r, size: size, born: time.Now()}
	server, err := fuse.NewServer(fs, dir, &fuse.MountOptions{
		FsName: "bctl", Name: "bctl", DirectMount: os.Geteuid() == 0,
		DirectMountFlags: syscall.MS_RDONLY | syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC,
		MaxWrite:         readBytes, MaxReadAhead: readBytes, MaxBackground: 64, DisableXAttrs: true, DisableSplice: true, // what is read is in memory
	})
	if err != nil {
		return fmt.Errorf("%s: mounting by FUSE: %w", dir, err)
	}
	gone := make(chan struct{})
	var crew workers.Group
	crew.Go(func() {
		defer close(gone)
		server.Serve()
	})
	err = server.WaitMount()
	if err == nil {
		readAhead(dir)
		o.Ready()
		select {
		case <-gone:
		case <-ctx.Done():
		}
	}
	err = errors.Join(err, unmount(server, gone, o))
	crew.Wait()
	return err
}

// readAhead has the system read more ahead than the 128 KiB that it allows a filesystem like this one to ask for: what
// stands side by side here does not on the devices, and they are fast while several reads wait. Only root may, and nothing
// depends on it.
func readAhead(dir string) {
	var st syscall.Stat_t
	if syscall.Stat(dir, &st) == nil {
		dev := uint64(st.Dev)
		name := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", dev>>8&0xfff, dev&0xff|dev>>12&0xfff00)
		// Not by os: it would have the poller look at the file, and wait for whoever has it look at ours, which nobody serves then.
		if fd, err := syscall.Open(name, syscall.O_WRONLY|syscall.O_CLOEXEC, 0); err == nil {
			_, _ = syscall.Write(fd, []byte(strconv.Itoa(aheadBytes>>10)))
			_ = syscall.Close(fd)
		}
	}
}

// unmount tries until nobody uses it any more.
func unmount(server *fuse.Server, gone chan struct{}, o Options) error {
	told := false
	for {
		select {
		case <-gone: // somebody else did it
			return nil
		default:
		}
		err := server.Unmount()
		if err == nil {
			return nil
		}
		if !told && o.Busy != nil {
			o.Busy(err)
		}
		told = true
		select {
		case <-gone:
			return nil
		case <-time.After(again):
		}
	}
}

// file is the filesystem: what it does not define is ENOSYS.
type file struct {
	fuse.RawFileSystem
	r    io.ReaderAt
	size int64
	born time.Time
}

func (f *file) attr(node uint64, out *fuse.Attr) fuse.Status {
	out.Ino, out.Nlink, out.Owner = node, 1, fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	out.SetTimes(&f.born, &f.born, &f.born)
	switch node {
	case fuse.FUSE_ROOT_ID:
		out.Mode, out.Nlink = fuse.S_IFDIR|0o500, 2
	case fileNode:
		out.Mode, out.Size, out.Blksize = fuse.S_IFREG|0o400, uint64(f.size), readBytes
		out.Blocks = (out.Size + 511) / 512
	default:
		return fuse.ENOENT
	}
	return fuse.OK
}

func (f *file) entry(out *fuse.EntryOut) {
	out.NodeId, out.EntryValid, out.AttrValid = fileNode, forever, forever
	f.attr(fileNode, &out.Attr)
}

// Lookup is go-fuse's, as all that follow.
func (f *file) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if header.NodeId != fuse.FUSE_ROOT_ID || name != Name {
		return fuse.ENOENT
	}
	f.entry(out)
	return fuse.OK
}

func (f *file) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.AttrValid = forever
	return f.attr(in.NodeId, &out.Attr)
}

func (f *file) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if in.Flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return fuse.EROFS
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (f *file) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, err := f.r.ReadAt(buf, int64(in.Offset))
	if err != nil && err != io.EOF {
		return nil, fuse.EIO
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (f *file) OpenDir(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status { return fuse.OK }

func (f *file) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if in.Offset == 0 {
		out.AddDirEntry(fuse.DirEntry{Name: Name, Ino: fileNode, Mode: fuse.S_IFREG})
	}
	return fuse.OK
}

func (f *file) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if in.Offset == 0 {
		if e := out.AddDirLookupEntry(fuse.DirEntry{Name: Name, Ino: fileNode, Mode: fuse.S_IFREG}); e != nil {
			f.entry(e)
		}
	}
	return fuse.OK
}

func (f *file) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Files = uint64(f.size+4095)/4096, 1
	return fuse.OK
}
