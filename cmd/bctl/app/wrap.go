// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"strings"
	"unicode/utf8"
)

// helpWidth is how wide help is where nobody says how wide the terminal is, and how narrow and wide at most.
const (
	helpWidth   = 80
	leastWidth  = 40
	widestWidth = 110
)

// fill breaks words into lines of at most width columns. The first line stands behind what is written already, from
// column at; the others from column hang. A word that is too long stands alone.
func fill(words []string, width, at, hang int) string {
	var b strings.Builder
	column, first := at, true
	for _, word := range words {
		n := utf8.RuneCountInString(word)
		switch {
		case first:
		case column+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", hang))
			column = hang
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column, first = column+n, false
	}
	return b.String()
}

// reflow fits a description to width. Paragraphs flow; an indented line is an item, whose second column, behind a gap,
// flows with the lines that stand below it; one without a gap is a command, and stays as it is.
func reflow(text string, width int) string {
	var b strings.Builder
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		i++
		indent := indentOf(line)
		hang := indent
		var words []string
		switch {
		case strings.TrimSpace(line) == "":
			b.WriteByte('\n')
			continue
		case indent > 0:
			if hang = secondColumn(line); hang == 0 {
				b.WriteString(line + "\n")
				continue
			}
			b.WriteString(line[:hang])
			words = strings.Fields(line[hang:])
		default:
			words = strings.Fields(line)
		}
		for i < len(lines) && strings.TrimSpace(lines[i]) != "" && indentOf(lines[i]) == hang {
			words = append(words, strings.Fields(lines[i])...)
			i++
		}
		b.WriteString(fill(words, width, hang, hang) + "\n")
	}
	return b.String()
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// secondColumn is where the text of an item begins: behind the first gap of two blanks, or 0.
func secondColumn(line string) int {
	indent := indentOf(line)
	gap := strings.Index(line[indent:], "  ")
	if gap < 0 {
		return 0
	}
	rest := line[indent+gap:]
	return indent + gap + indentOf(rest)
}
