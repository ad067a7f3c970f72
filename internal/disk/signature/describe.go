// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"fmt"
	"io"
	"strings"
)

// Nothing is what Describe says of a device on which nothing is known.
const Nothing = "holds nothing that is known"

// Describe says what is on a device, in words that end a sentence which begins with "it": "holds ext4 `home` uuid
// 0fc6...", "is a GPT disk: partition 2 holds bcache", "holds nothing that is known". Errors are r's.
func Describe(r io.ReaderAt, size int64) (string, error) {
	found, err := Probe(r, size)
	if err != nil {
		return "", err
	}
	for _, f := range found {
		switch {
		case f.Name == "gpt":
			return "is a GPT disk: " + partitionTexts(r, size, gptPartitions(r, size, f.Offset)), nil
		case f.Name == "mbr" && !foreign(found):
			return "is an MBR disk: " + partitionTexts(r, size, mbrPartitions(r, size)), nil
		}
	}
	if text := contents(r, size, found); text != "" {
		return "holds " + text, nil
	}
	if len(found) > 0 {
		return "holds what is left of " + found[0].Name, nil
	}
	return Nothing, nil
}

// foreign reports whether something besides partitions is on a disk: ISO images for USB sticks are both.
func foreign(found []Found) bool {
	for _, f := range found {
		if f.Name != "mbr" && f.Name != "gpt copy" {
			return true
		}
	}
	return false
}

// contents names what was found, the same once. "" where there are only copies of something.
func contents(r io.ReaderAt, size int64, found []Found) string {
	var texts []string
	seen := map[string]bool{}
	for _, f := range found {
		if seen[f.Name] || strings.HasSuffix(f.Name, " copy") {
			continue
		}
		seen[f.Name] = true
		texts = append(texts, f.Describe(r, size))
	}
	return strings.Join(texts, " and ")
}

// Describe is a signature with what its structure calls itself: "ext4 `home` uuid 0fc6...".
func (f Found) Describe(r io.ReaderAt, size int64) string {
	text := f.Name
	if f.Name == "early bcachefs" {
		text = "an early bcachefs (before 2023)"
	}
	label, uuid := f.Identity(r, size)
	if label != "" {
		text += " `" + label + "`"
	}
	if uuid != "" {
		text += " uuid " + uuid
	}
	return text
}

// partitionTexts says what is on partitions: those with bcache alone if there are such, for they are what is asked
// for.
func partitionTexts(r io.ReaderAt, size int64, parts []partition) string {
	const most = 8
	var all, ours []string
	for _, part := range parts {
		if part.start < 0 || part.start >= size {
			all = append(all, fmt.Sprintf("partition %d lies past the end", part.number))
			continue
		}
		length := min(part.length, size-part.start)
		inside := io.NewSectionReader(r, part.start, length)
		found, err := Probe(inside, length)
		switch text := contents(inside, length, found); {
		case err != nil:
			all = append(all, fmt.Sprintf("partition %d cannot be read", part.number))
		case strings.HasPrefix(text, "bcache ") || text == "bcache":
			ours = append(ours, fmt.Sprintf("partition %d holds %s", part.number, text))
		case text != "":
			all = append(all, fmt.Sprintf("partition %d holds %s", part.number, text))
		}
	}
	if len(ours) > 0 {
		all = ours
	}
	switch {
	case len(parts) == 0:
		return "it has no partitions"
	case len(all) == 0:
		if len(parts) == 1 {
			return "nothing known is on its only partition"
		}
		return fmt.Sprintf("nothing known is on its %d partitions", len(parts))
	case len(all) > most:
		all = append(all[:most], fmt.Sprintf("%d more", len(all)-most))
	}
	return strings.Join(all, ", ")
}
