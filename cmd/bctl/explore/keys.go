// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"bctl/internal/bcache/ondisk"
)

// list is what is on the screen; nil while nothing was read.
func (m *model) list() *list {
	if stack := m.stacks[m.view]; len(stack) > 0 {
		return stack[len(stack)-1]
	}
	return nil
}

// push shows a list over what is shown.
func (m *model) push(l *list) tea.Cmd {
	m.stacks[m.view] = append(m.stacks[m.view], l)
	return m.moved(0)
}

// pop goes back.
func (m *model) pop() tea.Cmd {
	m.stop()
	m.job++
	m.note = ""
	if stack := m.stacks[m.view]; len(stack) > 1 {
		m.stacks[m.view] = stack[:len(stack)-1]
	}
	return m.moved(0)
}

// show changes the view.
func (m *model) show(view int) tea.Cmd {
	m.view, m.note = (view+views)%views, ""
	if m.view == viewKeys && m.part < 0 && m.all != nil && len(m.all.parts) > 0 {
		return m.readPart(0, ondisk.Pos{}, false)
	}
	return m.moved(0)
}

// goTo shows a row of another view.
func (m *model) goTo(view, row int) tea.Cmd {
	m.stacks[view] = m.stacks[view][:1]
	m.view = view
	return m.moveTo(row)
}

// moveTo puts the cursor on a row.
func (m *model) moveTo(row int) tea.Cmd {
	l := m.list()
	if l == nil {
		return nil
	}
	l.move(row, m.rows())
	if l.visible == nil || l.n == 0 {
		return nil
	}
	return l.visible(l.top, min(l.n, l.top+m.rows()))
}

// moved moves the cursor by so many rows, and over an end if there is more beyond.
func (m *model) moved(by int) tea.Cmd {
	l := m.list()
	if l == nil {
		return nil
	}
	if to := l.cursor + by; l.beyond != nil && by != 0 && (to < 0 && l.cursor == 0 || to >= l.n && l.cursor >= l.n-1) {
		return l.beyond(by > 0)
	}
	return m.moveTo(l.cursor + by)
}

// end goes to the first or the last row.
func (m *model) end(last bool) tea.Cmd {
	l := m.list()
	switch {
	case l == nil:
		return nil
	case l.ends != nil:
		return l.ends(last)
	case last:
		return m.moveTo(l.n - 1)
	}
	return m.moveTo(0)
}

// key does what a key is for.
func (m *model) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch {
	case name == "ctrl+c":
		m.interrupted = true
		return tea.Quit
	case m.typing:
		return m.typed(name, k.Text)
	case m.help:
		m.help = false
		return nil
	}
	switch name {
	case "q":
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	case "?":
		m.help = true
	case "/":
		m.typing, m.query, m.note = m.list() != nil, "", ""
	case "n":
		return m.search(m.last)
	case "tab":
		return m.show(m.view + 1)
	case "shift+tab":
		return m.show(m.view - 1)
	case "1", "2", "3", "4", "5":
		return m.show(int(name[0] - '1'))
	case "enter", "right", "l":
		if l := m.list(); l != nil && l.enter != nil && l.cursor < l.n {
			m.note = ""
			return l.enter(l.cursor)
		}
	case "esc", "left", "h", "backspace":
		return m.pop()
	default:
		return m.motion(name)
	}
	return nil
}

// motion is the keys that move the cursor.
func (m *model) motion(name string) tea.Cmd {
	switch name {
	case "up", "k":
		return m.moved(-1)
	case "down", "j":
		return m.moved(1)
	case "pgup", "ctrl+b", "b":
		return m.moved(-m.rows())
	case "pgdown", "ctrl+f", "space":
		return m.moved(m.rows())
	case "home", "g":
		return m.end(false)
	case "end", "G":
		return m.end(true)
	}
	return nil
}

// typed takes a key of a query.
func (m *model) typed(name, text string) tea.Cmd {
	switch name {
	case "esc":
		m.typing = false
	case "enter":
		m.typing = false
		return m.search(strings.TrimSpace(m.query))
	case "backspace":
		_, n := utf8.DecodeLastRuneInString(m.query)
		m.query = m.query[:len(m.query)-n]
	case "ctrl+u":
		m.query = ""
	default:
		if strings.IndexFunc(text, unicode.IsControl) < 0 {
			m.query += text
		}
	}
	return nil
}

// search looks for a query behind the cursor, and then from the start.
func (m *model) search(query string) tea.Cmd {
	l := m.list()
	if l == nil || query == "" {
		return nil
	}
	again := query == m.last
	m.last = query
	if l.seek != nil {
		if at, ok := l.seek(query); ok && !(again && at == l.cursor) {
			return m.moveTo(at)
		}
	}
	ctx, job := m.begin()
	m.note = "looking for " + query + " ... esc stops it"
	from, n, text := l.cursor+1, l.n, l.textOf
	look := func(ctx context.Context) tea.Msg { return foundMsg{find(ctx, text, query, from, n)} }
	if l.sought != nil {
		look = l.sought(query, from)
	}
	return m.command(func() tea.Msg { return jobMsg{job, look(ctx)} })
}

// find is the row, from on and then from the start, that says query; -1 where none does.
func find(ctx context.Context, text func(i int) string, query string, from, n int) int {
	query = strings.ToLower(query)
	for i := range n {
		at := (from + i) % n
		if i%1024 == 0 && ctx.Err() != nil {
			break
		}
		if strings.Contains(strings.ToLower(text(at)), query) {
			return at
		}
	}
	return -1
}
