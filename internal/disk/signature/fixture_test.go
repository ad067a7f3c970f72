// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var from = flag.String("from", "", "folder of images made by testdata/recipe.sh: take the fixtures from them anew")

// A fixture is the sectors of a real image that hold its signatures, what blkid says of the image, and what Probe
// should.
type fixture struct {
	size    int64
	blkid   []string
	found   []string
	sectors map[int64][]byte
}

func TestFixtures(t *testing.T) {
	if *from != "" {
		takeFixtures(t, *from)
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			fx := readFixture(t, file)
			found, err := Probe(fx, fx.size)
			if err != nil {
				t.Fatal(err)
			}
			if got := texts(found); !slices.Equal(got, fx.found) {
				t.Errorf("found %q, want %q", got, fx.found)
			}
			for _, name := range fx.blkid {
				if name == "dos" && slices.Contains(fx.blkid, "exfat") {
					continue // it takes exfat's boot sector for a partition table
				}
				if !slices.ContainsFunc(found, func(f Found) bool { return blkidName(f.Name) == name }) {
					t.Errorf("blkid says %q, found only %q", name, texts(found))
				}
			}
			for _, f := range found { // what an eraser would erase is the magic
				if w := fx.sectors[f.Offset&^511]; len(w) < int(f.Offset&511)+f.Length {
					t.Errorf("%v: magic of %d bytes is not in its sector", f, f.Length)
				}
			}
		})
	}
}

func texts(found []Found) (out []string) {
	for _, f := range found {
		out = append(out, f.String())
	}
	return out
}

// blkidName is what libblkid calls a signature of ours.
func blkidName(name string) string {
	name = strings.TrimSuffix(name, " copy")
	switch {
	case strings.HasPrefix(name, "luks"):
		return "crypto_LUKS"
	case strings.HasPrefix(name, "md "):
		return "linux_raid_member"
	case name == "zfs":
		return "zfs_member"
	}
	if b, ok := map[string]string{
		"lvm2": "LVM2_member", "mbr": "dos", "ext journal": "jbd", "sun label": "sun", "sgi label": "sgi",
	}[name]; ok {
		return b
	}
	return name
}

// ReadAt makes a fixture the device it was taken from.
func (fx fixture) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	for at, sector := range fx.sectors {
		if d := at - off; d < int64(len(b)) && d > -512 {
			copy(b[max(d, 0):], sector[min(max(-d, 0), int64(len(sector))):])
		}
	}
	return len(b), nil
}

func readFixture(t *testing.T, file string) fixture {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fx := fixture{sectors: map[int64][]byte{}}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "size":
			_, err = fmt.Sscan(value, &fx.size)
		case "blkid":
			fx.blkid = append(fx.blkid, value)
		case "found":
			fx.found = append(fx.found, value)
		default:
			var at int64
			if _, err = fmt.Sscanf(key, "sector at %d", &at); err == nil {
				fx.sectors[at], err = hex.DecodeString(value)
			}
		}
		if err != nil {
			t.Fatalf("%s: %q: %v", file, lines.Text(), err)
		}
	}
	return fx
}

func takeFixtures(t *testing.T, dir string) {
	images, _ := filepath.Glob(filepath.Join(dir, "*.img"))
	for _, image := range images {
		f, err := os.Open(image)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		found, err := Probe(f, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		fmt.Fprintf(&out, "size: %d\n", info.Size())
		for _, name := range blkid(t, image) {
			fmt.Fprintf(&out, "blkid: %s\n", name)
		}
		seen := map[int64]bool{}
		for _, f := range found {
			fmt.Fprintf(&out, "found: %v\n", f)
			seen[f.Offset&^511] = true
		}
		for _, at := range slices.Sorted(maps.Keys(seen)) {
			b := make([]byte, 512)
			if _, err := f.ReadAt(b, at); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "sector at %d: %x\n", at, bytes.TrimRight(b, "\x00"))
		}
		name := strings.TrimSuffix(filepath.Base(image), ".img") + ".txt"
		if err := os.WriteFile(filepath.Join("testdata", name), out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// blkid is what the real one finds: the type of the content and that of the partition table.
func blkid(t *testing.T, path string) (names []string) {
	t.Helper()
	out, err := exec.Command("blkid", "-p", "-o", "export", path).Output()
	var ee *exec.ExitError
	if errors.As(err, &ee) && (ee.ExitCode() == 2 || ee.ExitCode() == 8) {
		return nil // nothing, or too much, found
	} else if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "TYPE" || key == "PTTYPE" {
			names = append(names, value)
		}
	}
	return names
}
