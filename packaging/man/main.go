// SPDX-License-Identifier: GPL-2.0-only

// Command man writes bctl's manual pages into a folder: man DIR DATE. They are the documents below docs/ that the
// program's tables were written to, as roff: an index, a page a command, the format, and what can be found.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "man DIR DATE")
		os.Exit(16)
	}
	if err := writePages("docs", os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(8)
	}
}

// A page is one page of the manual: Markdown below its title.
type page struct {
	name    string
	section int
	about   string
	text    string
}

// documents are the pages that are one document each.
var documents = []page{
	{"bcache-ondisk", 5, "the format of bcache devices on disk", "format.md"},
	{"bctl-image", 5, "the format of bcache metadata images", "image.md"},
	{"bctl-messages", 7, "what bctl fsck can find", "findings.md"},
	{"bctl-writing", 7, "how bctl changes a cache, and takes it back", "writing.md"},
}

// writePages writes what the documents in docs give to dir.
func writePages(docs, dir, date string) error {
	manual, err := os.ReadFile(filepath.Join(docs, "bctl.8.md"))
	if err != nil {
		return err
	}
	pages := commandPages(string(manual))
	for _, p := range documents {
		text, err := os.ReadFile(filepath.Join(docs, p.text))
		if err != nil {
			return err
		}
		_, body, _ := strings.Cut(string(text), "\n") // after its title
		first, rest, _ := strings.Cut(body, "\n## ")
		p.text = "## Description\n\n" + first + "\n## " + rest + seeAlso("bctl(8)")
		pages = append(pages, p)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, p := range pages {
		var b bytes.Buffer
		p.write(&b, date)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.%d", p.name, p.section)), b.Bytes(), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// commandPages splits the manual: the commands, and programs under other names, become pages of their own, and the rest
// is the index that leads to them.
func commandPages(manual string) []page {
	head, rest, _ := strings.Cut(manual, "\n## Synopsis\n")
	var index strings.Builder
	var pages []page
	var list, own strings.Builder
	for i, part := range strings.Split("Synopsis\n"+rest, "\n## ") {
		title, body, _ := strings.Cut(part, "\n")
		command, isCommand := strings.CutPrefix(title, "bctl ")
		switch {
		case isCommand || title == "fsck.bcache" || title == "mkfs.bcache":
			name := title
			if isCommand {
				name = "bctl-" + command
				fmt.Fprintf(&list, "- `%s(8)`: %s\n", name, about(body))
			} else {
				fmt.Fprintf(&own, "- `%s(8)`: %s\n", name, about(body))
			}
			pages = append(pages, page{name, 8, about(body), commandText(body)})
		case i == 0:
			index.WriteString("## Synopsis\n" + strings.Replace(body, "\n\nbctl ", "\n\n## Description\n\nbctl ", 1) + "\n## Commands\n\n@\n")
		default:
			index.WriteString("\n## " + part)
		}
	}
	_, usage, _ := strings.Cut(head, "\n\n")
	text := strings.Replace(index.String(), "@", list.String()+"\nPrograms of their own:\n\n"+own.String(), 1)
	return append(pages, page{"bctl", 8, strings.TrimSpace(usage), text + seeAlso("bcache-ondisk(5), bctl-image(5), bctl-messages(7), bctl-writing(7), fsck(8), make-bcache(8)")})
}

// about is the first line of a command's section.
func about(body string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	return line
}

// commandText is a command's section under the headings of a manual page.
func commandText(body string) string {
	_, rest, _ := strings.Cut(strings.TrimSpace(body), "\n\n")
	synopsis, rest, _ := strings.Cut(rest, "\n\n")
	text := "## Synopsis\n\n" + synopsis + "\n\n## Description\n\n" + strings.Replace(rest, "\nExamples:\n", "\n## Examples\n", 1)
	if i := strings.Index(text, "\n- `-"); i >= 0 {
		text = text[:i] + "\n## Options\n" + text[i:]
	}
	return text + "\n\n## Exit status\n\nAs fsck(8)'s: 0 for fine, 4 for damage that is left, 8 for what could not be done, 16 for a wrong command line, 32 for interrupted; bctl(8) has the list.\n" +
		seeAlso("bctl(8), bctl-messages(7), bcache-ondisk(5)")
}

func seeAlso(list string) string {
	return "\n## See also\n\n" + list + "\n"
}
