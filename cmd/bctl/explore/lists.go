// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/inspect/sets"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// The views, in the order of their tabs.
const (
	viewSets = iota
	viewBuckets
	viewNodes
	viewKeys
	viewFindings
	views
)

var viewNames = [views]string{"sets", "buckets", "nodes", "keys", "findings"}

// lists makes the lists of all views.
func (m *model) lists() [views]*list {
	all := [views]*list{m.setList(), nil, nil, nil, m.findingList()}
	if m.all.cache == nil {
		for i, what := range []string{"buckets", "nodes", "keys"} {
			all[viewBuckets+i] = &list{title: what, empty: "no " + what + " can be shown: this is no cache, or its superblock cannot be trusted"}
		}
		return all
	}
	all[viewBuckets], all[viewNodes], all[viewKeys] = m.bucketList(), m.nodeList(), m.keyList()
	return all
}

func orDash(s *string) string {
	if s == nil || *s == "" {
		return "-"
	}
	return *s
}

func (m *model) setList() *list {
	rows := m.all.rows
	return &list{
		title: "devices and volumes", empty: "no superblock can be read", n: len(rows),
		columns: []column{{"type", 8, false}, {"inode", 5, true}, {"dirty", 9, true}, {"state", 5, false}, {"mode", 12, false}, {"device", 12, false}, {"label", 0, false}},
		row: func(i int) []string {
			r := &rows[i]
			inode, dirty := "-", "unknown"
			if r.Inode != nil {
				inode = fmt.Sprint(*r.Inode)
			}
			if r.Dirty != nil {
				dirty = app.Human(*r.Dirty / ondisk.SectorBytes)
			}
			return []string{r.Type, inode, dirty, orDash(r.State), orDash(r.Mode), m.placeOf(r), orDash(r.Label)}
		},
		style: func(i int) style {
			switch {
			case rows[i].Trouble != nil:
				return bad
			case rows[i].Missing:
				return warning
			}
			return plain
		},
		enter: func(i int) tea.Cmd { return m.push(m.setPage(&rows[i])) },
	}
}

// placeOf is where a device is; of a long path the end, as much as there is room for beside the other columns.
func (m *model) placeOf(r *sets.Row) string {
	path := whereIs(r)
	if room := max(12, m.width-52); r.Device != nil && ansi.StringWidth(path) > room {
		path = ansi.TruncateLeft(path, ansi.StringWidth(path)-room+3, "...")
	}
	return path
}

func whereIs(r *sets.Row) string {
	switch {
	case r.Device != nil:
		return *r.Device
	case r.Missing:
		return "MISSING " + orDash(r.UUID)
	}
	return "volume " + orDash(r.UUID)
}

var markStyles = map[string]style{"free": quiet, "clean": good, "dirty": warning, "metadata": plain}

func (m *model) bucketList() *list {
	c := m.all.cache
	return &list{
		title: fmt.Sprintf("%d buckets of %s", c.Buckets.Len(), app.Human(uint64(c.Geo.BucketSectors))), n: int(c.Buckets.Len()),
		columns: []column{{"bucket", 8, true}, {"gen", 4, true}, {"disk_gen", 8, true}, {"prio", 6, true}, {"mark", 8, false}, {"sectors", 7, true}, {"owner", 0, false}},
		row: func(i int) []string {
			r := c.Row(ondisk.Bucket(i))
			return []string{fmt.Sprint(i), r.Gen.String(), r.DiskGen.String(), r.Prio.String(), r.Mark.String(), r.Sectors.String(), r.Owner}
		},
		style: func(i int) style { return markStyles[c.Row(ondisk.Bucket(i)).Mark.Value] },
		enter: func(i int) tea.Cmd { return m.openBucket(ondisk.Bucket(i)) },
		seek:  func(q string) (int, bool) { return number(q, int(c.Buckets.Len())) },
	}
}

// number is a query that is a row's number.
func number(q string, n int) (int, bool) {
	i, err := strconv.Atoi(q)
	return i, err == nil && i >= 0 && i < n
}

func (m *model) nodeList() *list {
	nodes := m.all.nodes
	return &list{
		title: fmt.Sprintf("%d live btree nodes, the root first", len(nodes)), empty: "no btree: it was never registered, or its root cannot be found", n: len(nodes),
		columns: []column{{"level", 5, true}, {"bucket", 8, true}, {"gen", 4, true}, {"bsets", 5, true}, {"keys", 6, true}, {"fill", 4, true}, {"whole", 5, false}, {"up_to", 0, false}},
		row: func(i int) []string {
			p := &nodes[i]
			bsets, keys, fill, whole := "...", "...", "...", "..."
			if info, ok := m.infos[p.bucket]; ok {
				bsets, keys, fill, whole = fmt.Sprint(info.bsets), fmt.Sprint(info.keys), fmt.Sprintf("%d%%", info.fill), app.YesNo(info.whole)
			}
			return []string{fmt.Sprint(p.level), fmt.Sprint(p.bucket), fmt.Sprint(p.gen), bsets, keys, fill, whole, upTo(p.upTo)}
		},
		text: func(i int) string {
			return fmt.Sprintf("%d %d %s", nodes[i].level, nodes[i].bucket, upTo(nodes[i].upTo))
		},
		visible: func(from, to int) tea.Cmd { return m.readInfos(nodes[from:to]) },
		style: func(i int) style {
			if info, ok := m.infos[nodes[i].bucket]; ok && !info.whole {
				return bad
			}
			return plain
		},
		enter: func(i int) tea.Cmd { return m.openNode(nodes[i].bucket) },
		seek: func(q string) (int, bool) {
			for i := range nodes {
				if fmt.Sprint(nodes[i].bucket) == q {
					return i, true
				}
			}
			return 0, false
		},
	}
}

func upTo(p ondisk.Pos) string {
	if p.Compare(inspect.Everything.To) >= 0 {
		return "the end of all keys"
	}
	return p.String()
}

var extentColumns = []column{{"inode", 5, true}, {"offset_sectors", 14, true}, {"sectors", 7, true}, {"bucket", 8, true}, {"cache_sector", 12, true}, {"gen", 4, true}, {"dirty", 5, false}}

func (e *extent) cells() []string {
	return []string{fmt.Sprint(e.pos.Inode), fmt.Sprint(e.pos.Offset - e.size), fmt.Sprint(e.size), fmt.Sprint(e.bucket), fmt.Sprint(e.sector), fmt.Sprint(e.gen), app.YesNo(e.dirty)}
}

// extentList is a list of pieces that are known; enter leads to their bucket.
func (m *model) extentList(title string, pieces []extent) *list {
	return &list{
		title: title, empty: "nothing live", n: len(pieces), columns: extentColumns,
		row: func(i int) []string { return pieces[i].cells() },
		style: func(i int) style {
			if pieces[i].dirty {
				return warning
			}
			return plain
		},
		enter: func(i int) tea.Cmd { return m.goTo(viewBuckets, int(pieces[i].bucket)) },
	}
}

// keyList shows one part of the keys at a time, and reads the next where it ends.
func (m *model) keyList() *list {
	l := m.extentList("live keys of all volumes, in order", nil)
	l.empty = "no live keys"
	l.beyond = func(down bool) tea.Cmd {
		switch {
		case down && m.part+1 < len(m.all.parts):
			return m.readPart(m.part+1, ondisk.Pos{}, false)
		case !down && m.part > 0:
			return m.readPart(m.part-1, ondisk.Pos{}, true)
		}
		return nil
	}
	l.ends = func(last bool) tea.Cmd {
		if last {
			return m.readPart(len(m.all.parts)-1, ondisk.Pos{}, true)
		}
		return m.readPart(0, ondisk.Pos{}, false)
	}
	l.sought = m.seekKey
	return l
}

// seekKey finds a position INODE:SECTOR, or the next piece whose row says query.
func (m *model) seekKey(query string, from int) func(ctx context.Context) tea.Msg {
	all, shown, part := m.all, m.extents, max(m.part, 0)
	p, place := position(query)
	return func(ctx context.Context) tea.Msg {
		if place {
			part := all.partOf(p)
			list, err := all.extents(ctx, all.parts[part])
			return partMsg{part: part, list: list, at: p, err: err}
		}
		for i := part; i < len(all.parts); i++ {
			if i > part {
				var err error
				if shown, err = all.extents(ctx, all.parts[i]); err != nil {
					return partMsg{err: err}
				}
				from = 0
			}
			for ; from < len(shown); from++ {
				if strings.Contains(strings.Join(shown[from].cells(), "  "), query) {
					return partMsg{part: i, list: shown, at: shown[from].pos}
				}
			}
		}
		return foundMsg{-1}
	}
}

// position reads INODE:SECTOR. What ends behind that sector holds it, or comes next.
func position(query string) (p ondisk.Pos, ok bool) {
	inode, sector, ok := strings.Cut(query, ":")
	i, err := strconv.ParseUint(inode, 10, 32)
	s, err2 := strconv.ParseUint(sector, 10, 62)
	return ondisk.Pos{Inode: uint32(i), Offset: ondisk.Sector(s) + 1}, ok && err == nil && err2 == nil
}

var severityStyles = map[finding.Severity]style{finding.Damage: bad, finding.Warning: warning}

func (m *model) findingList() *list {
	fs := m.all.report.Findings
	return &list{
		title: app.Plural(len(fs), "finding") + " of fsck", empty: "fsck finds nothing", n: len(fs),
		columns: []column{{"code", 4, false}, {"severity", 8, false}, {"message", 0, false}},
		row:     func(i int) []string { return []string{string(fs[i].Code), string(fs[i].Severity), fs[i].Message} },
		style:   func(i int) style { return severityStyles[fs[i].Severity] },
		enter:   func(i int) tea.Cmd { return m.push(m.findingPage(&fs[i])) },
	}
}
