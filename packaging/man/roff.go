// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// write writes the page as roff in the man macros.
func (p page) write(b *bytes.Buffer, date string) {
	fmt.Fprintf(b, ".\\\" SPDX-License-Identifier: GPL-2.0-only\n.TH %s %d %s bctl \"bctl manual\"\n", strings.ToUpper(p.name), p.section, date)
	b.WriteString(".SH NAME\n")
	r := roff{b: b}
	r.fill(p.name + " - " + p.about)
	for _, line := range strings.Split(strings.TrimRight(p.text, "\n"), "\n") {
		r.line(strings.TrimRight(line, " "))
	}
	r.end()
}

// A roff writer takes Markdown by the line: of the kinds that our documents have, no more.
type roff struct {
	b      *bytes.Buffer
	in     kind
	header []string // of the table at hand
	blanks int      // blank lines within a literal, not written yet
}

type kind int

const (
	nothing kind = iota
	heading
	paragraph
	item
	literal // indented by four
	fenced
	table
)

var (
	bullet   = regexp.MustCompile(`^- (.*)$`)
	flagItem = regexp.MustCompile("^- `([^`]+)`(?:: (.*))?$")
	number   = regexp.MustCompile(`^(\d+)\. +(.*)$`)
	picture  = regexp.MustCompile(`^!\[`)
)

func (r *roff) line(line string) {
	switch {
	case strings.HasPrefix(line, "```"):
		r.fence()
	case r.in == fenced:
		r.raw(line)
	case line == "":
		r.blank()
	case strings.HasPrefix(line, "    ") && r.in != item && r.in != paragraph:
		r.indented(strings.TrimPrefix(line, "    "))
	case strings.HasPrefix(line, "#"):
		r.end()
		marks, text, _ := strings.Cut(line, " ")
		if macro := ".SH"; len(marks) <= 3 {
			if len(marks) == 3 {
				macro = ".SS"
			} else {
				text = strings.ToUpper(text)
			}
			fmt.Fprintf(r.b, "%s %s\n", macro, inline(text))
		}
		r.in = heading
	case strings.HasPrefix(line, "|"):
		r.row(line)
	case picture.MatchString(line):
	default:
		r.text(line)
	}
}

// text is a line of an item, or of a paragraph.
func (r *roff) text(line string) {
	if m := flagItem.FindStringSubmatch(line); m != nil {
		r.end()
		fmt.Fprintf(r.b, ".TP\n\\fB%s\\fR\n", escape(m[1]))
		r.fill(m[2])
		r.in = item
	} else if m := bullet.FindStringSubmatch(line); m != nil {
		r.end()
		r.b.WriteString(".IP \\(bu 2\n")
		r.fill(m[1])
		r.in = item
	} else if m := number.FindStringSubmatch(line); m != nil {
		r.end()
		fmt.Fprintf(r.b, ".IP %s. 4\n", m[1])
		r.fill(m[2])
		r.in = item
	} else {
		if r.in != paragraph && r.in != item {
			if r.in != heading {
				r.end()
				r.b.WriteString(".PP\n")
			}
			r.in = paragraph
		}
		r.fill(strings.TrimSpace(line))
	}
}

// fill writes running text in short lines, as roff has it.
func (r *roff) fill(s string) {
	for s = inline(s); len(s) > 78; {
		at := strings.LastIndexByte(s[:78], ' ')
		if at <= 0 {
			break
		}
		fmt.Fprintln(r.b, guard(s[:at]))
		s = s[at+1:]
	}
	fmt.Fprintln(r.b, guard(s))
}

// blank ends what ends with a blank line.
func (r *roff) blank() {
	switch r.in {
	case literal:
		r.blanks++
	case heading:
	default:
		r.end()
	}
}

// fence begins or ends a literal.
func (r *roff) fence() {
	if r.in == fenced {
		r.end()
		return
	}
	if r.in != heading {
		r.end()
		r.b.WriteString(".PP\n")
	}
	r.b.WriteString(".RS 4\n.EX\n")
	r.in = fenced
}

func (r *roff) indented(line string) {
	if r.in != literal {
		if r.in != heading {
			r.end()
			r.b.WriteString(".PP\n")
		}
		r.b.WriteString(".RS 4\n.EX\n")
		r.in = literal
	}
	for ; r.blanks > 0; r.blanks-- {
		r.b.WriteString("\\&\n")
	}
	r.raw(line)
}

// raw is a line that stays as it is.
func (r *roff) raw(line string) {
	if line == "" {
		line = "\\&"
	} else {
		line = guard(escape(line))
	}
	fmt.Fprintln(r.b, line)
}

// row is a line of a table: a paragraph under its first cell. What the other cells are is said where there are several.
func (r *roff) row(line string) {
	line = strings.ReplaceAll(line, `\|`, "\x00")
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
	}
	switch {
	case r.in != table:
		r.end()
		r.in, r.header = table, cells
	case strings.Trim(line, "|- :") == "":
	default:
		fmt.Fprintf(r.b, ".TP\n\\fB%s\\fR\n", inline(strings.Trim(cells[0], "`")))
		if len(cells) == 1 {
			r.b.WriteString("\\&\n")
		}
		for i, cell := range cells[1:] {
			if i > 0 {
				r.b.WriteString(".br\n")
			}
			if len(cells) > 2 && i+1 < len(r.header) {
				cell = r.header[i+1] + ": " + cell
			}
			r.fill(cell)
		}
	}
}

// end closes what is open.
func (r *roff) end() {
	if r.in == literal || r.in == fenced {
		r.b.WriteString(".EE\n.RE\n")
	}
	r.in, r.blanks = nothing, 0
}

var (
	code = regexp.MustCompile("`([^`]*)`")
	bold = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	link = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
)

// inline is running text with its emphasis.
func inline(s string) string {
	s = link.ReplaceAllString(s, "$1")
	var b strings.Builder
	for {
		at := code.FindStringSubmatchIndex(s)
		if at == nil {
			break
		}
		b.WriteString(strong(s[:at[0]]) + "\\fB" + escape(s[at[2]:at[3]]) + "\\fR")
		s = s[at[1]:]
	}
	b.WriteString(strong(s))
	return b.String()
}

func strong(s string) string { return bold.ReplaceAllString(escape(s), `\fB$1\fR`) }

// escape keeps roff from reading backslashes, and hyphens as such: what stands there shall be copied.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "\t", "        ").Replace(s)
}

// guard keeps a line from being a request.
func guard(s string) string {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		return `\&` + s
	}
	return s
}
