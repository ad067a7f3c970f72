// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// A style is how a row stands out.
type style int

const (
	plain style = iota
	quiet
	good
	warning
	bad
)

// A column is one of a list.
type column struct {
	name  string
	width int // at least
	num   bool
}

// A list is rows that scroll. row and text may be asked for any of n rows; text is asked by searches, from anywhere.
type list struct {
	title   string
	empty   string // what it says where there are no rows
	columns []column
	n       int
	row     func(i int) []string
	style   func(i int) style                                          // nil: plain
	enter   func(i int) tea.Cmd                                        // nil: nothing is behind a row
	visible func(from, to int) tea.Cmd                                 // nil: rows need nothing to be read
	beyond  func(down bool) tea.Cmd                                    // nil: there is nothing beyond the ends
	ends    func(last bool) tea.Cmd                                    // nil: the first and the last row are the ends
	text    func(i int) string                                         // nil: the cells of row
	seek    func(query string) (int, bool)                             // nil: what a query leads to at once
	sought  func(query string, from int) func(context.Context) tea.Msg // nil: text is searched

	cursor, top int
}

// textOf is what searches see.
func (l *list) textOf(i int) string {
	if l.text != nil {
		return l.text(i)
	}
	return strings.Join(l.row(i), "  ")
}

// move puts the cursor on a row, and has it seen among so many.
func (l *list) move(to, height int) {
	l.cursor = max(0, min(to, l.n-1))
	height = max(height, 1)
	if l.cursor < l.top {
		l.top = l.cursor
	}
	if l.cursor >= l.top+height {
		l.top = l.cursor - height + 1
	}
	l.top = max(0, min(l.top, l.n-height))
}

// page is a list of lines to read.
func page(title string, lines []string) *list {
	return &list{title: title, n: len(lines), row: func(i int) []string { return lines[i : i+1] }, columns: []column{{}}}
}

// wrapped breaks text at spaces.
func wrapped(text string, width int) (lines []string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && len(line)+1+len(word) > width {
				lines = append(lines, line)
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}
