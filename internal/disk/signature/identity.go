// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// A where says how far from its magic a superblock keeps its label and its uuid; 0 bytes: it has none.
type where struct {
	label, labelBytes int64
	uuid              int64
	kind              uuidKind
	absolute          bool // from the start of the device instead
	utf16             bool // the label
}

// An uuidKind is how a uuid is written.
type uuidKind uint8

const (
	noUUID   uuidKind = iota
	rawUUID           // 16 bytes
	textUUID          // 40 bytes of text
	guidUUID          // 16 bytes, the first three numbers little-endian
	serial32          // 4 bytes: XXXX-XXXX
	serial64          // 8 bytes
	diskID            // 4 bytes: xxxxxxxx
)

// identities are by name. LVM2's physical volume and md 0.90 are read by code.
var identities = map[string]where{
	"ext2": {label: 64, labelBytes: 16, uuid: 48, kind: rawUUID}, "ext3": {label: 64, labelBytes: 16, uuid: 48, kind: rawUUID},
	"ext4": {label: 64, labelBytes: 16, uuid: 48, kind: rawUUID}, "ext journal": {label: 64, labelBytes: 16, uuid: 48, kind: rawUUID},
	"xfs":            {label: 108, labelBytes: 12, uuid: 32, kind: rawUUID},
	"btrfs":          {label: 235, labelBytes: 256, uuid: -32, kind: rawUUID},
	"bcache":         {label: 48, labelBytes: 32, uuid: 16, kind: rawUUID},
	"bcachefs":       {label: 48, labelBytes: 32, uuid: 32, kind: rawUUID},
	"early bcachefs": {label: 48, labelBytes: 32, uuid: 32, kind: rawUUID},
	"f2fs":           {label: 124, labelBytes: 512, uuid: 108, kind: rawUUID, utf16: true},
	"swap":           {label: 1052, labelBytes: 16, uuid: 1036, kind: rawUUID, absolute: true},
	"luks1":          {uuid: 168, kind: textUUID},
	"luks2":          {label: 24, labelBytes: 48, uuid: 168, kind: textUUID},
	"vfat":           {label: -11, labelBytes: 11, uuid: -15, kind: serial32},
	"exfat":          {uuid: 97, kind: serial32},
	"ntfs":           {uuid: 69, kind: serial64},
	"jfs":            {label: 152, labelBytes: 16, uuid: 136, kind: rawUUID},
	"reiserfs":       {label: 48, labelBytes: 16, uuid: 32, kind: rawUUID},
	"nilfs2":         {label: 162, labelBytes: 80, uuid: 146, kind: rawUUID},
	"iso9660":        {label: 39, labelBytes: 32},
	"md 1.0":         {label: 32, labelBytes: 32, uuid: 16, kind: rawUUID},
	"md 1.1":         {label: 32, labelBytes: 32, uuid: 16, kind: rawUUID},
	"md 1.2":         {label: 32, labelBytes: 32, uuid: 16, kind: rawUUID},
	"gpt":            {uuid: 56, kind: guidUUID},
	"mbr":            {uuid: -70, kind: diskID},
}

// Identity reads what the structure behind a signature on r calls itself. "" is what it does not say, or says in a
// place that only the whole filesystem tells.
func (f Found) Identity(r io.ReaderAt, size int64) (label, uuid string) {
	p := probe{r: r, size: size}
	switch f.Name {
	case "lvm2":
		return "", p.lvm2(f.Offset)
	case "md 0.90":
		return "", p.md090(f.Offset)
	}
	w, ok := identities[f.Name]
	if !ok {
		return "", ""
	}
	at := f.Offset
	if w.absolute {
		at = 0
	}
	label = labelText(p.bytes(at+w.label, int(w.labelBytes)), w.utf16)
	if f.Name == "vfat" && label == "NO NAME" {
		label = ""
	}
	return label, uuidText(&p, at+w.uuid, w.kind)
}

// labelText is a label as text. It ends at the first zero.
func labelText(b []byte, wide bool) string {
	if wide {
		var units []uint16
		for ; len(b) > 1; b = b[2:] {
			units = append(units, binary.LittleEndian.Uint16(b))
		}
		b = []byte(string(utf16.Decode(units)))
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "?"))
}

// uuidText is a uuid as blkid writes it. One of zeros is none.
func uuidText(p *probe, at int64, kind uuidKind) string {
	b := p.bytes(at, [...]int{noUUID: 0, rawUUID: 16, textUUID: 40, guidUUID: 16, serial32: 4, serial64: 8, diskID: 4}[kind])
	if len(bytes.Trim(b, "\x00")) == 0 {
		return ""
	}
	le := binary.LittleEndian
	switch {
	case kind == textUUID:
		return labelText(b, false)
	case kind == rawUUID && len(b) == 16:
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	case kind == guidUUID && len(b) == 16:
		return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:])
	case kind == serial32 && len(b) == 4:
		return fmt.Sprintf("%04X-%04X", le.Uint16(b[2:]), le.Uint16(b))
	case kind == serial64 && len(b) == 8:
		return fmt.Sprintf("%016X", le.Uint64(b))
	case kind == diskID && len(b) == 4:
		return fmt.Sprintf("%08x", le.Uint32(b))
	}
	return ""
}

// lvm2 reads the physical volume's uuid: its header stands where the label says, and begins with 32 letters.
func (p *probe) lvm2(label int64) string {
	head := p.bytes(label, 32)
	if len(head) < 32 {
		return ""
	}
	at := int64(binary.LittleEndian.Uint32(head[20:]))
	if at > 512 {
		return ""
	}
	u := labelText(p.bytes(label+at, 32), false)
	if len(u) != 32 {
		return ""
	}
	return strings.Join([]string{u[:6], u[6:10], u[10:14], u[14:18], u[18:22], u[22:26], u[26:]}, "-")
}

// md090 puts the array's uuid together: four numbers in two places.
func (p *probe) md090(sb int64) string {
	b := p.bytes(sb, 64)
	if len(b) < 64 {
		return ""
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if b[0] == 0xa9 {
		order = binary.BigEndian
	}
	w := func(i int) uint32 { return order.Uint32(b[4*i:]) }
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%04x%08x", w(5), w(13)>>16, w(13)&0xffff, w(14)>>16, w(14)&0xffff, w(15))
}
