// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
)

// frame is how many lines of the screen are no rows: the device, the views, the list's title and its columns, and the
// bottom line.
const frame = 5

// rows is how many rows fit.
func (m *model) rows() int { return max(1, m.height-frame) }

// View is the screen.
func (m *model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	return v
}

// screen draws exactly height lines, none wider than width.
func (m *model) screen() string {
	lines := []string{ansi.Truncate(m.paint("1", m.heading()), max(m.width, 1), "..."), m.tabs()}
	if m.help {
		lines = append(append(lines, ""), strings.Split(strings.TrimSuffix(helpText, "\n"), "\n")...)
	} else {
		lines = append(lines, m.body()...)
	}
	height := max(m.height, 1)
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, min(len(lines), height-1))], m.bottom())
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, max(m.width, 1), "")
	}
	return strings.Join(lines, "\n")
}

// heading says what this is, and what fsck makes of it.
func (m *model) heading() string {
	text := app.OneLine(m.o.name)
	if room := max(12, m.width/3); ansi.StringWidth(text) > room { // the verdict is worth more than the path
		text = ansi.TruncateLeft(text, ansi.StringWidth(text)-room+3, "...")
	}
	text = "bctl explore " + text
	switch {
	case m.failed != nil:
		return text + ": " + app.OneLine(m.failed.Error())
	case m.all == nil:
		return text + ": " + m.gauge.String()
	case m.all.report.Result == fsck.Damaged || !m.all.report.Complete:
		return text + ": " + m.paint("31", m.all.report.Word()+": "+app.OneLine(m.all.report.Verdict()))
	}
	return text + ": " + m.all.report.Word()
}

// tabs names the views; the one that is shown stands in brackets.
func (m *model) tabs() string {
	var b strings.Builder
	for i, name := range viewNames {
		if i == m.view {
			b.WriteString(m.paint("1", fmt.Sprintf("[%d %s]", i+1, name)))
		} else {
			fmt.Fprintf(&b, " %d %s ", i+1, name)
		}
	}
	return b.String()
}

// body is a list: its title, its columns, and the rows that fit.
func (m *model) body() []string {
	l := m.list()
	if l == nil {
		return nil
	}
	title := app.OneLine(l.title)
	if l.n > 0 {
		where := fmt.Sprintf("  row %d of %d", l.cursor+1, l.n)
		title = ansi.Truncate(title, max(0, m.width-len(where)), "...") + where
	}
	lines := []string{title}
	if l.n == 0 {
		return append(lines, "", l.empty)
	}
	last := min(l.n, l.top+m.rows())
	cells := make([][]string, 0, last-l.top)
	for i := l.top; i < last; i++ {
		row := l.row(i)
		for j := range row {
			if row[j] = strings.TrimRight(row[j], " "); strings.TrimSpace(row[j]) != "" {
				row[j] = leading(row[j]) + app.OneLine(row[j])
			}
		}
		cells = append(cells, row)
	}
	widths := l.widths(cells)
	lines = append(lines, m.paint("4", strings.TrimRight(l.line(nil, widths), " ")))
	for i, row := range cells {
		text := l.line(row, widths)
		switch at := l.top + i; {
		case at == l.cursor:
			text = "\x1b[7m" + text + strings.Repeat(" ", max(0, m.width-ansi.StringWidth(text))) + "\x1b[0m"
		case l.style != nil:
			text = m.paint(styleCodes[l.style(at)], text)
		}
		lines = append(lines, text)
	}
	return lines
}

// leading is the spaces that a cell begins with.
func leading(s string) string { return s[:len(s)-len(strings.TrimLeft(s, " "))] }

// widths fit what is on the screen.
func (l *list) widths(cells [][]string) []int {
	w := make([]int, len(l.columns))
	for j, c := range l.columns {
		w[j] = max(c.width, len(c.name))
		for _, row := range cells {
			w[j] = max(w[j], ansi.StringWidth(row[j]))
		}
	}
	return w
}

// line is a row, or the names of the columns.
func (l *list) line(row []string, widths []int) string {
	var b strings.Builder
	for j, c := range l.columns {
		text := c.name
		if row != nil {
			text = row[j]
		}
		space := strings.Repeat(" ", max(0, widths[j]-ansi.StringWidth(text)))
		if j > 0 {
			b.WriteString("  ")
		}
		if c.num {
			b.WriteString(space + text)
		} else {
			b.WriteString(text + space)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// styleCodes are the attributes of terminals for styles.
var styleCodes = map[style]string{quiet: "2", good: "32", warning: "33", bad: "31"}

// paint colours text, if colours are wanted.
func (m *model) paint(code, text string) string {
	if !m.o.colours || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// bottom is the prompt, what there is to say, or the keys.
func (m *model) bottom() string {
	switch {
	case m.typing:
		return "/" + app.OneLine(m.query) + "_"
	case m.note != "":
		return app.OneLine(m.note)
	}
	return "tab views  arrows move  enter opens  esc back  / find  ? help  q quit"
}

const helpText = `tab, shift+tab, 1 to 5   the views: sets, buckets, nodes, keys, findings
up, down, j, k           a row up or down
page up, page down       a screen; space and b too
home, end, g, G          the first and the last row
enter, right, l          what is behind a row: a device, a bucket's contents,
                         a node's keys, a finding's explanation
esc, left, h             back
/                        look for text; among buckets and nodes a number is
                         a bucket's; among keys INODE:SECTOR is a place
n                        the next one
ctrl+z                   suspend
q                        quit

Nothing is written, whatever is pressed. Any key goes back.
`
