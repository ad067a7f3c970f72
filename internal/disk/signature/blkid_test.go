// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// written are programs of Debian that put something on a device: what Probe calls it, the size it wants in MiB, and the
// command, in which IMG stands for the device, DIR for a folder with a file in it, and ~ for a space.
var written = []struct {
	name    string
	mib     int64
	command string
}{
	{"ext2", 8, "mke2fs -q -F -t ext2 IMG"},
	{"ext3", 8, "mke2fs -q -F -t ext3 -L work IMG"},
	{"ext4", 8, "mke2fs -q -F -t ext4 -L home IMG"},
	{"ext4", 8, "mke2fs -q -F -t ext4 -b 4096 IMG"},
	{"ext journal", 8, "mke2fs -q -F -O journal_dev -L log IMG"},
	{"xfs", 320, "mkfs.xfs -q -L data IMG"},
	{"xfs", 320, "mkfs.xfs -q -m crc=0 IMG"},
	{"btrfs", 128, "mkfs.btrfs -q -L pool IMG"},
	{"f2fs", 64, "mkfs.f2fs -q -l flash IMG"},
	{"vfat", 2, "mkfs.vfat -F 12 -n SMALL IMG"},
	{"vfat", 16, "mkfs.vfat -F 16 IMG"},
	{"vfat", 64, "mkfs.vfat -F 32 -n BIG IMG"},
	{"exfat", 16, "mkfs.exfat IMG"},
	{"ntfs", 8, "mkfs.ntfs -q -F -f IMG"},
	{"nilfs2", 160, "mkfs.nilfs2 -q -L log IMG"},
	{"jfs", 32, "mkfs.jfs -q -L old IMG"},
	{"reiserfs", 40, "mkfs.reiserfs -q -ff -l past IMG"},
	{"reiser4", 40, "mkfs.reiser4 -y -f IMG"},
	{"ocfs2", 64, "mkfs.ocfs2 -q -F -M local -N 1 IMG"},
	{"gfs2", 64, "mkfs.gfs2 -q -O -p lock_nolock IMG"},
	{"udf", 16, "mkudffs IMG"},
	{"minix", 4, "mkfs.minix -1 IMG"},
	{"minix", 4, "mkfs.minix -2 IMG"},
	{"minix", 4, "mkfs.minix -3 IMG"},
	{"squashfs", 0, "mksquashfs DIR IMG -noappend -quiet -no-progress"},
	{"erofs", 0, "mkfs.erofs IMG DIR"},
	{"cramfs", 0, "mkfs.cramfs DIR IMG"},
	{"iso9660", 0, "genisoimage -quiet -V DISC -o IMG DIR"},
	{"swap", 8, "mkswap -L fast IMG"},
	{"swap", 8, "mkswap -p 65536 IMG"},
	{"bcache", 64, "make-bcache -C -b 64k IMG"},
	{"bcache", 64, "make-bcache -B IMG"},
	{"luks1", 4, "cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 IMG DIR/hello"},
	{"luks2", 20, "cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --label secret IMG DIR/hello"},
	{"dm-integrity", 8, "integritysetup -q format --no-wipe IMG"},
	{"gpt", 8, "sh -c echo~,1M|sfdisk~-q~-Xgpt~IMG"},
	{"mbr", 8, "sh -c echo~,1M|sfdisk~-q~-Xdos~IMG"},
	{"sun label", 8, "sh -c echo~,1M|sfdisk~-q~-Xsun~IMG"},
	{"sgi label", 8, "sh -c echo~,1M|sfdisk~-q~-Xsgi~IMG"},
}

// unseen are signatures of the same that libblkid names and Probe does not look for: another name, or part of a name.
var unseen = map[string][]string{
	"exfat": {"dos"}, // it takes exfat's boot sector for a partition table
	"vfat":  {"dos"},
	"ntfs":  {"dos"},
	"gpt":   {"PMBR"},
}

// What programs write is found under its name, with the label and the uuid that blkid reads, and nothing that libblkid
// sees is missed. Those that are not here are skipped.
func TestWhatProgramsWrite(t *testing.T) {
	for _, program := range []string{"blkid", "wipefs"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("no", program, "here")
		}
	}
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(files, "hello"), []byte("a passphrase"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, w := range written {
		t.Run(w.command, func(t *testing.T) {
			image := filepath.Join(dir, strconv.Itoa(i))
			words := strings.Fields(strings.NewReplacer("IMG", image, "DIR", files).Replace(w.command))
			for i := range words {
				words[i] = strings.ReplaceAll(words[i], "~", " ")
			}
			program := words[0]
			if strings.Contains(w.command, "sfdisk") {
				program = "sfdisk"
			}
			if _, err := exec.LookPath(program); err != nil {
				t.Skip("no", program, "here")
			}
			defer os.Remove(image)
			if err := os.WriteFile(image, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(image, w.mib*mib); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				if strings.Contains(string(out), "Cannot initialize device-mapper") {
					t.Skip("no device-mapper here")
				}
				t.Fatalf("%v: %s", err, out)
			}
			compareBlkid(t, image, w.name)
		})
	}
}

// compareBlkid holds what Probe and Identity make of an image against libblkid.
func compareBlkid(t *testing.T, image, name string) {
	t.Helper()
	content, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(content))
	r := bytes.NewReader(content)
	found, err := Probe(r, size)
	if name == "gpt" && len(found) > 1 && found[0].Name == "mbr" {
		found = found[1:] // the protective one
	}
	if err != nil || len(found) == 0 || found[0].Name != name {
		t.Fatalf("found %v, %v, want %s", found, err, name)
	}
	if names := blkid(t, image); !slices.Contains(names, blkidName(name)) {
		t.Errorf("blkid says %q", names)
	}
	for _, seen := range wipefs(t, image) {
		if !slices.Contains(unseen[name], seen) && !slices.ContainsFunc(found, func(f Found) bool { return blkidName(f.Name) == seen }) {
			t.Errorf("libblkid sees %s, found %v", seen, found)
		}
	}
	out, err := exec.Command("blkid", "-p", "-o", "export", image).Output()
	if err != nil {
		return // several things at once
	}
	want := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		want[key] = strings.ReplaceAll(value, `\ `, " ")
	}
	if want["UUID"] == "" {
		want["UUID"] = want["PTUUID"]
	}
	label, uuid := found[0].Identity(r, size)
	if label != want["LABEL"] && label != "" || uuid != want["UUID"] && uuid != "" {
		t.Errorf("%v: label %q, uuid %q; blkid has %q and %q", found[0], label, uuid, want["LABEL"], want["UUID"])
	}
	if text, err := Describe(r, size); err != nil || !strings.HasPrefix(text, "is a") && !strings.Contains(text, uuid) || label != "" && !strings.Contains(text, " `"+label+"`") {
		t.Errorf("%q, %v", text, err)
	}
	if _, known := identities[name]; known && label+uuid == "" && want["LABEL"]+want["UUID"] != "" {
		t.Errorf("no label and no uuid; blkid has %q and %q", want["LABEL"], want["UUID"])
	}
}

// wipefs is every signature that libblkid sees, also one behind another.
func wipefs(t *testing.T, image string) (names []string) {
	t.Helper()
	out, err := exec.Command("wipefs", "--no-act", "--json", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ Signatures []struct{ Type string } }
	if err := json.Unmarshal(out, &told); err != nil && len(out) > 0 {
		t.Fatal(err)
	}
	for _, s := range told.Signatures {
		names = append(names, s.Type)
	}
	return names
}
