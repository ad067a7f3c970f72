// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"context"
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/workers"
)

// A setup is what a model is about.
type setup struct {
	name    string // of the device
	note    string // to begin with
	colours bool
	read    func(g *gauge) (*contents, error) // reads all; runs as a command
}

// The model is everything that is on the screen, or may come there. Only Update changes it.
type model struct {
	o             setup
	ctx           context.Context
	width, height int
	gauge         gauge
	all           *contents // nil until it was read
	failed        error
	interrupted   bool

	view   int
	stacks [views][]*list // the view's own list, and what was opened from it
	infos  map[ondisk.Bucket]nodeInfo

	part    int // of the keys, which the keys' list shows; below 0: none yet
	extents []extent

	help   bool
	typing bool // a query
	query  string
	last   string // the query that was looked for
	note   string
	job    int // what comes of an older one is not wanted any more
	stop   context.CancelFunc
	crew   workers.Group
}

func newModel(ctx context.Context, o setup) *model {
	return &model{o: o, ctx: ctx, width: 80, height: 24, note: o.note, infos: map[ondisk.Bucket]nodeInfo{}, part: -1, stop: func() {}}
}

// What commands come back with.
type (
	readMsg struct {
		all *contents
		err error
	}
	tickMsg  struct{}
	foundMsg struct{ at int } // below 0: nowhere
	infosMsg map[ondisk.Bucket]nodeInfo
	nodeMsg  struct {
		job    int
		bucket ondisk.Bucket
		node   *node
	}
	bucketMsg struct {
		job    int
		bucket ondisk.Bucket
		list   []extent
		err    error
	}
	partMsg struct {
		part int
		list []extent
		at   ondisk.Pos // the first piece that ends there or behind is where the cursor goes
		last bool       // or to the last one
		err  error
	}
	jobMsg struct { // what a search comes back with
		job int
		msg tea.Msg
	}
)

// command is a tea.Cmd that is waited for before the devices are closed.
func (m *model) command(do func() tea.Msg) tea.Cmd {
	return func() (msg tea.Msg) {
		done := make(chan struct{})
		m.crew.Go(func() { defer close(done); msg = do() })
		<-done
		return msg
	}
}

// wait returns when no command reads any more.
func (m *model) wait() { m.crew.Wait() }

// begin ends the job that goes on, and starts another.
func (m *model) begin() (context.Context, int) {
	m.stop()
	ctx, stop := context.WithCancel(m.ctx)
	m.job++
	m.stop = stop
	return ctx, m.job
}

// Init begins to read.
func (m *model) Init() tea.Cmd {
	return tea.Batch(m.command(func() tea.Msg {
		all, err := m.o.read(&m.gauge)
		return readMsg{all, err}
	}), tick())
}

// tick has the progress drawn.
func tick() tea.Cmd {
	return tea.Tick(200*time.Millisecond, func(time.Time) tea.Msg { return tickMsg{} })
}

// Update takes what was typed, and what was read.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		return m, m.moved(0)
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.PasteMsg:
		if m.typing {
			m.query += msg.Content
		}
	case tickMsg:
		if m.all == nil && m.failed == nil {
			return m, tick()
		}
	case readMsg:
		return m, m.hasRead(msg)
	case infosMsg:
		if len(m.infos) > 1<<14 {
			clear(m.infos)
		}
		for b, info := range msg {
			m.infos[b] = info
		}
	case jobMsg:
		if msg.job == m.job {
			return m.Update(msg.msg)
		}
	default:
		return m, m.arrived(msg)
	}
	return m, nil
}

// arrived takes what somebody waits for.
func (m *model) arrived(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case foundMsg:
		if msg.at < 0 {
			m.note = fmt.Sprintf("%q: not found", m.last)
			return nil
		}
		m.note = ""
		return m.moveTo(msg.at)
	case nodeMsg:
		if msg.job == m.job {
			return m.showNode(msg.bucket, msg.node)
		}
	case bucketMsg:
		if msg.job == m.job {
			m.note = ""
			m.say(msg.err)
			return m.push(m.extentList(fmt.Sprintf("what is live in bucket %d", msg.bucket), msg.list))
		}
	case partMsg:
		return m.showPart(msg)
	}
	return nil
}

// say tells an error at the bottom of the screen.
func (m *model) say(err error) {
	if err != nil && m.ctx.Err() == nil {
		m.note = err.Error()
	}
}

func (m *model) hasRead(msg readMsg) tea.Cmd {
	if msg.err != nil {
		m.failed = msg.err
		return nil
	}
	m.all = msg.all
	for i, l := range m.lists() {
		m.stacks[i] = []*list{l}
	}
	return m.show(m.view)
}

// showPart puts a part of the keys into their list.
func (m *model) showPart(msg partMsg) tea.Cmd {
	if msg.err != nil {
		m.say(msg.err)
		return nil
	}
	m.note = ""
	m.part, m.extents = msg.part, msg.list
	l, shown := m.stacks[viewKeys][0], m.extentList("", msg.list)
	l.n, l.row, l.style, l.enter = shown.n, shown.row, shown.style, shown.enter
	l.title = fmt.Sprintf("live keys of all volumes, in order: leaf %d of %d", msg.part+1, len(m.all.parts))
	at, _ := slices.BinarySearchFunc(msg.list, msg.at, func(e extent, p ondisk.Pos) int { return e.pos.Compare(p) })
	if msg.last {
		at = l.n - 1
	}
	l.top = 0
	l.move(at, m.rows())
	if l.n == 0 && l.beyond != nil { // nothing in this leaf: the next may have some
		return l.beyond(!msg.last)
	}
	return nil
}

// readPart reads the keys of a leaf.
func (m *model) readPart(part int, at ondisk.Pos, last bool) tea.Cmd {
	all := m.all
	ctx, job := m.begin()
	return m.command(func() tea.Msg {
		list, err := all.extents(ctx, all.parts[part])
		return jobMsg{job, partMsg{part, list, at, last, err}}
	})
}

// readInfos reads those of the nodes on the screen that are not known yet.
func (m *model) readInfos(nodes []place) tea.Cmd {
	all := m.all
	var unknown []place
	for _, p := range nodes {
		if _, ok := m.infos[p.bucket]; !ok {
			unknown = append(unknown, p)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return m.command(func() tea.Msg {
		infos := infosMsg{}
		for _, p := range unknown {
			if m.ctx.Err() == nil {
				infos[p.bucket] = all.info(p)
			}
		}
		return infos
	})
}
