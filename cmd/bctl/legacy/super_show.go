// SPDX-License-Identifier: GPL-2.0-only

// Package legacy is the tools of bcache-tools that bctl stands in for with outputs and exit codes of their own.
package legacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
)

// bcache-super-show of bcache-tools 1.0.8 again, byte for byte and code for code: scripts read it. It knows the
// versions up to 4; bctl show-super knows all.

const superShowUsage = "Usage: bcache-super-show [-f] <device>\n"

// superShowBytes is how much it reads: its struct ends with d[].
const superShowBytes = 208 + 8*ondisk.JournalBuckets

// SuperShow is a program. Its exit codes are not fsck(8)'s: 1 usage, 2 no superblock or a bad one, 3 experimental.
func SuperShow(_ context.Context, args []string, stdout, stderr io.Writer) error {
	force, operands, bad := superShowArgs(args[1:])
	if bad != "" {
		fmt.Fprintf(stderr, "%s: invalid option -- '%s'\n", args[0], bad)
	}
	if bad != "" || len(operands) != 1 {
		fmt.Fprint(stderr, superShowUsage)
		return app.ExitWith(1)
	}
	// A fifo would make it wait for a writer: O_NONBLOCK is all we do better.
	f, err := os.OpenFile(operands[0], os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		fmt.Fprintf(stdout, "Can't open dev %s: %s\n", operands[0], strerror(err))
		return app.ExitWith(2)
	}
	defer f.Close()
	b := make([]byte, ondisk.SuperSize)
	if _, err := f.ReadAt(b[:superShowBytes], ondisk.SuperOffset); err != nil {
		fmt.Fprint(stderr, "Couldn't read\n")
		return app.ExitWith(2)
	}
	s, err := ondisk.DecodeSuper(b)
	if err != nil {
		return err
	}
	show := superShower{s, stdout, stderr}
	if code := show.identity(force); code != 0 || !show.known() {
		return app.ExitWith(code)
	}
	return app.ExitWith(show.body())
}

// superShowArgs is getopt(argc, argv, "f"). bad is the letter it does not know, a byte of the command line.
func superShowArgs(args []string) (force bool, operands []string, bad string) {
	_, posix := os.LookupEnv("POSIXLY_CORRECT")
	for i, arg := range args {
		switch {
		case arg == "--":
			return force, append(operands, args[i+1:]...), ""
		case len(arg) < 2 || arg[0] != '-':
			if posix {
				return force, args[i:], ""
			}
			operands = append(operands, arg)
			continue
		}
		for j := 1; j < len(arg); j++ {
			if arg[j] != 'f' {
				return force, nil, arg[j : j+1]
			}
			force = true
		}
	}
	return force, operands, ""
}

// strerror is the C library's text of an error: Go has the same ones, but for the first letter.
func strerror(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	text := []rune(err.Error())
	if len(text) > 0 {
		text[0] = unicode.ToUpper(text[0])
	}
	return string(text)
}

type superShower struct {
	s              *ondisk.Super
	stdout, stderr io.Writer
}

func (p superShower) print(format string, a ...any) { fmt.Fprintf(p.stdout, format, a...) }

// identity is magic, offset and checksum. It returns an exit code.
func (p superShower) identity(force bool) int {
	s := p.s
	if s.Magic != ondisk.SuperMagic {
		p.print("sb.magic\t\tbad magic\n")
		fmt.Fprint(p.stderr, "Invalid superblock (bad magic)\n")
		return 2
	}
	p.print("sb.magic\t\tok\nsb.first_sector\t\t%d", s.Offset)
	if s.Offset != uint64(ondisk.SuperSector) {
		p.print(" [expected %ds]\n", ondisk.SuperSector)
		fmt.Fprint(p.stderr, "Invalid superblock (bad sector)\n")
		return 2
	}
	p.print(" [match]\nsb.csum\t\t\t%X", s.Csum)
	if sum := s.Checksum(); s.Csum == sum {
		p.print(" [match]\n")
	} else {
		p.print(" [expected %X]\n", sum)
		if !force {
			fmt.Fprint(p.stderr, "Corrupt superblock (bad csum)\n")
			return 2
		}
	}
	return 0
}

// known prints the version, and whether what follows has a meaning.
func (p superShower) known() bool {
	kind, known := "unknown", true
	switch p.s.Version {
	case ondisk.VersionCache, ondisk.VersionCacheUUID:
		kind = "cache device"
	case ondisk.VersionBacking, ondisk.VersionBackingOffset:
		kind = "backing device"
	default:
		known = false
	}
	p.print("sb.version\t\t%d [%s]\n", p.s.Version, kind)
	return known
}

// body is everything after the version. It returns an exit code.
func (p superShower) body() int {
	s := p.s
	label, _, _ := bytes.Cut(s.Label[:], []byte{0})
	text := encodeLabel(label)
	if text == "" {
		text = "(empty)"
	}
	p.print("\ndev.label\t\t%s\ndev.uuid\t\t%s\n", text, s.UUID)
	p.print("dev.sectors_per_block\t%d\ndev.sectors_per_bucket\t%d\n", s.BlockSize, s.BucketSize)
	if !s.IsBacking() {
		p.cache()
	} else if code := p.backing(); code != 0 {
		return code
	}
	p.print("\ncset.uuid\t\t%s\n", s.SetUUID)
	return 0
}

func (p superShower) cache() {
	s := p.s
	bucket, first := uint64(s.BucketSize), uint64(s.FirstBucket)
	p.print("dev.cache.first_sector\t%d\n", uint32(bucket*first))
	p.print("dev.cache.cache_sectors\t%d\n", bucket*(s.Nbuckets-first))
	p.print("dev.cache.total_sectors\t%d\n", bucket*s.Nbuckets)
	p.print("dev.cache.ordered\t%s\ndev.cache.discard\t%s\n", app.YesNo(s.Sync()), app.YesNo(s.Discard()))
	p.print("dev.cache.pos\t\t%d\n", s.NrThisDev)
	p.named("dev.cache.replacement\t", int(s.Replacement()), "lru", "fifo", "random")
}

func (p superShower) backing() int {
	s, first := p.s, uint64(ondisk.DataStartDefault)
	if s.Version == ondisk.VersionBackingOffset {
		if s.Keys == 1 || s.D[0] != 0 {
			fmt.Fprint(p.stderr, "Possible experimental format detected, bailing\n")
			return 3
		}
		first = s.Nbuckets // data_offset
	}
	p.print("dev.data.first_sector\t%d\n", first)
	p.named("dev.data.cache_mode\t", int(s.CacheMode()), "writethrough", "writeback", "writearound", "no caching")
	p.named("dev.data.cache_state\t", int(s.State()), "detached", "clean", "dirty", "inconsistent")
	return 0
}

// named prints a number, and its name if it has one.
func (p superShower) named(key string, v int, names ...string) {
	if v < len(names) {
		p.print("%s%d [%s]\n", key, v, names[v])
	} else {
		p.print("%s%d\n", key, v)
	}
}

// encodeLabel writes what is not a letter, a digit or one of .-_ as % and its code. The tool's chars are signed,
// so a byte from 0x80 on comes out with three bytes of ff in front.
func encodeLabel(label []byte) string {
	var b strings.Builder
	for _, c := range label {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', strings.IndexByte(".-_", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%x", uint32(int32(int8(c))))
		}
	}
	return b.String()
}
