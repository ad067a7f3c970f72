// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect/sets"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// pageWidth is where a page's text is wrapped.
func (m *model) pageWidth() int { return max(20, min(m.width, 100)-2) }

// setPage tells all of a device or volume.
func (m *model) setPage(r *sets.Row) *list {
	lines := []string{}
	add := func(name, value string) {
		if value != "" && value != "-" {
			lines = append(lines, fmt.Sprintf("%-12s %s", name, value))
		}
	}
	add("type", r.Type)
	add("device", whereIs(r))
	add("uuid", orDash(r.UUID))
	add("set", orDash(r.Set))
	add("label", orDash(r.Label))
	add("state", orDash(r.State))
	add("mode", orDash(r.Mode))
	if r.Dirty != nil {
		add("dirty", fmt.Sprintf("%s (%d bytes)", app.Human(*r.Dirty/ondisk.SectorBytes), *r.Dirty))
	}
	if r.Registered {
		add("kernel", "has it registered "+orDash(r.Bcache))
	}
	if r.Trouble != nil {
		lines = append(lines, wrapped("trouble: "+*r.Trouble, m.pageWidth())...)
	}
	if r.Missing {
		lines = append(lines, "", "It belongs to the set, and was not given.")
	}
	if r.Type == "cache" && m.all.cache != nil {
		rep := m.all.report
		lines = append(lines, "")
		lines = append(lines, wrapped(rep.Word()+": "+rep.Verdict(), m.pageWidth())...)
		for _, s := range rep.Steps() {
			lines = append(lines, wrapped(s.Advice+" "+s.Command, m.pageWidth())...)
		}
	}
	return page(r.Type, lines)
}

// findingPage is a finding with its explanation.
func (m *model) findingPage(f *finding.Finding) *list {
	row, width := finding.Lookup(f.Code), m.pageWidth()
	lines := wrapped(f.Message, width)
	for _, text := range []string{row.Title, row.Help, row.Advice} {
		if text != "" {
			lines = append(append(lines, ""), wrapped(text, width)...)
		}
	}
	if rep := m.all.report; rep != nil {
		for _, s := range rep.Steps() {
			if s.Code == f.Code && s.Command != "" {
				lines = append(lines, "", "    "+s.Command)
			}
		}
	}
	p := page(fmt.Sprintf("%s, %s", f.Code, f.Severity), lines)
	if c := m.all.cache; c != nil && f.Bucket != nil && *f.Bucket < uint64(c.Buckets.Len()) {
		p.title += fmt.Sprintf("; enter leads to bucket %d", *f.Bucket)
		p.enter = func(int) tea.Cmd { return m.goTo(viewBuckets, int(*f.Bucket)) }
	}
	return p
}

// openBucket shows what is in a bucket: a node's keys, or the extents.
func (m *model) openBucket(b ondisk.Bucket) tea.Cmd {
	all := m.all
	if all.cache.Buckets.IsNode(b) {
		return m.openNode(b)
	}
	row := all.cache.Row(b)
	if len(row.Inodes) == 0 {
		what := "Nothing live stands in it."
		if row.Owner != "" {
			what = "It is used for: " + row.Owner + "."
		}
		return m.push(page(fmt.Sprintf("bucket %d", b), []string{
			what, "", "gen " + row.Gen.String() + ", in the prio chain " + row.DiskGen.String() + ", prio " + row.Prio.String() + ", mark " + row.Mark.String(),
			fmt.Sprintf("It begins at sector %d of the device.", all.cache.Geo.Start(b)),
		}))
	}
	m.note = fmt.Sprintf("reading what is in bucket %d ... esc stops it", b)
	ctx, job := m.begin()
	return m.command(func() tea.Msg {
		list, err := all.inBucket(ctx, b)
		return bucketMsg{job, b, list, err}
	})
}

// openNode shows every key of every bset of a node.
func (m *model) openNode(b ondisk.Bucket) tea.Cmd {
	all := m.all
	_, job := m.begin()
	return m.command(func() tea.Msg { return nodeMsg{job, b, all.node(b)} })
}

// showNode is the list of a node's keys.
func (m *model) showNode(b ondisk.Bucket, n *node) tea.Cmd {
	if n == nil {
		m.note = fmt.Sprintf("no live btree node stands in bucket %d", b)
		return nil
	}
	title := fmt.Sprintf("node in bucket %d, level %d: %d bsets, %d keys, dead ones too, %d%% full", b, n.level, n.info.bsets, n.info.keys, n.info.fill)
	if len(n.trouble) > 0 {
		title += "; not all could be read: " + strings.Join(n.trouble, "; ")
	}
	geo := &m.all.cache.Geo
	return m.push(&list{
		title: title, empty: "no keys", n: len(n.keys), columns: []column{{"bset", 4, true}, {"n", 5, true}, {"key", 0, false}},
		row: func(i int) []string {
			k := &n.keys[i]
			return []string{fmt.Sprint(k.bset), fmt.Sprint(i), k.key.String()}
		},
		style: func(i int) style {
			if n.level == 0 && n.keys[i].key.Dirty() {
				return warning
			}
			return plain
		},
		enter: func(i int) tea.Cmd {
			k := &n.keys[i].key
			if k.Ptrs() == 0 {
				m.note = "this key leads nowhere"
				return nil
			}
			to := geo.BucketOf(k.Ptr[0].Offset())
			switch {
			case to >= m.all.cache.Buckets.Len():
				m.note = fmt.Sprintf("bucket %d is behind the end of the device", to)
				return nil
			case n.level > 0:
				return m.openNode(to)
			}
			return m.goTo(viewBuckets, int(to))
		},
	})
}
