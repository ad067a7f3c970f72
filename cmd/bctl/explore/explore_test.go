// SPDX-License-Identifier: GPL-2.0-only

package explore

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk"
	"bctl/internal/lab/imgtest"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// A driver does what bubbletea does, one thing at a time.
type driver struct {
	t *testing.T
	m *model
}

// drive makes a model of an image, at a size, that has read it.
func drive(t *testing.T, base string, width, height int) *driver {
	t.Helper()
	dev, err := disk.Open(imgtest.Open(t, base).Cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	devs := []fsck.Device{{Name: "cache.img", R: dev, Size: dev.Size()}}
	m := newModel(t.Context(), setup{name: "cache.img", read: func(g *gauge) (*contents, error) { return readAll(t.Context(), devs, g.start) }})
	d := &driver{t, m}
	d.send(tea.WindowSizeMsg{Width: width, Height: height})
	if s := m.screen(); !strings.Contains(s, "reading") {
		t.Errorf("before anything was read it shows\n%s", s)
	}
	d.run(m.Init())
	return d
}

// send is a message, and all that comes of it.
func (d *driver) send(msg tea.Msg) {
	_, cmd := d.m.Update(msg)
	d.run(cmd)
}

func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil, tea.QuitMsg, tickMsg:
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
	default:
		d.send(msg)
	}
	d.check()
}

// check says what holds of every screen.
func (d *driver) check() {
	d.t.Helper()
	lines := strings.Split(d.m.screen(), "\n")
	if len(lines) != max(d.m.height, 1) {
		d.t.Fatalf("%d lines on a screen of %d:\n%s", len(lines), d.m.height, d.m.screen())
	}
	for _, line := range lines {
		if ansi.StringWidth(line) > max(d.m.width, 1) {
			d.t.Fatalf("%q is wider than %d", line, d.m.width)
		}
	}
}

// keys types: names in brackets, and letters.
func (d *driver) keys(text string) {
	d.t.Helper()
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "down": tea.KeyDown, "up": tea.KeyUp, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace}
	for text != "" {
		if text[0] == '<' {
			name, rest, _ := strings.Cut(text[1:], ">")
			text = rest
			if named[name] == 0 {
				d.t.Fatal(name)
			}
			d.send(tea.KeyPressMsg{Code: named[name]})
			continue
		}
		d.send(tea.KeyPressMsg{Code: rune(text[0]), Text: text[:1]})
		text = text[1:]
	}
}

// want checks that the screen says something.
func (d *driver) want(what string, words ...string) {
	d.t.Helper()
	for _, word := range words {
		if s := ansi.Strip(d.m.screen()); !strings.Contains(s, word) {
			d.t.Errorf("%s: no %q in\n%s", what, word, s)
		}
	}
}

// under is the row that the cursor is on.
func (d *driver) under() string {
	for line := range strings.SplitSeq(d.m.screen(), "\n") {
		if strings.HasPrefix(line, "\x1b[7m") {
			return strings.TrimSpace(ansi.Strip(line))
		}
	}
	return ""
}

// The screens at 80x24, as they were looked at.
func TestScreens(t *testing.T) {
	d := drive(t, "two-backing-flash", 80, 24)
	var b strings.Builder
	for _, keys := range []string{"1", "<enter>", "<esc>2", "3", "<enter>", "4", "5", "?"} {
		d.keys(keys)
		fmt.Fprintf(&b, "---- %s\n%s\n", keys, strings.NewReplacer("\x1b[7m", ">", "\x1b[0m", "<").Replace(d.m.screen()))
	}
	name := filepath.Join("testdata", "screens.txt")
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || string(want) != b.String() {
		t.Errorf("%v: the screens are\n%s", err, b.String())
	}
}

// What is shown of a bucket is what inspect says of it, wherever one goes; keys lead there and back.
func TestBuckets(t *testing.T) {
	d := drive(t, "writeback-crash", 100, 30)
	c := d.m.all.cache
	d.keys("2")
	for _, step := range []struct {
		keys string
		row  int
	}{{"<down>", 1}, {"j", 2}, {"k", 1}, {"<up><up>", 0}, {"<pgdown>", 25}, {"<end>", 2047}, {"<down>", 2047}, {"<pgup>", 2022}, {"<home>", 0}, {"/892<enter>", 892}, {"G", 2047}, {"g", 0}} {
		d.keys(step.keys)
		r := c.Row(ondisk.Bucket(step.row))
		want := strings.Join([]string{fmt.Sprint(step.row), r.Gen.String(), r.DiskGen.String(), r.Prio.String(), r.Mark.String(), r.Sectors.String(), r.Owner}, " ")
		if got := strings.Join(strings.Fields(d.under()), " "); got != strings.TrimSpace(want) {
			t.Errorf("%s: on %q, want %q", step.keys, got, want)
		}
	}
	d.keys("/dirty<enter>")
	first := d.under()
	d.keys("n")
	if next := d.under(); next == first || !strings.Contains(next, "dirty") || !strings.Contains(first, "dirty") {
		t.Errorf("found %q, then %q", first, next)
	}
	d.keys("/no such<backspace><enter>")
	d.want("nowhere", `"no suc": not found`)
}

// Enter on a bucket of data shows pieces that add up to its live sectors; on one of them it leads back.
func TestInsideBucket(t *testing.T) {
	d := drive(t, "writeback-crash", 80, 24)
	d.keys("2/85<enter><enter>")
	d.want("bucket 85", "what is live in bucket 85")
	sum := ondisk.Sector(0)
	l := d.m.list()
	for i := range l.n {
		var inode, offset, size, bucket uint64
		if _, err := fmt.Sscan(strings.Join(l.row(i), " "), &inode, &offset, &size, &bucket); err != nil || bucket != 85 {
			t.Errorf("%q: %v", l.row(i), err)
		}
		sum += ondisk.Sector(size)
	}
	if want := ondisk.Sector(d.m.all.cache.Buckets.Sectors(85)); sum != want || want == 0 {
		t.Errorf("%d sectors, want %d", sum, want)
	}
	d.keys("<enter>")
	if !strings.HasPrefix(d.under(), "85 ") {
		t.Errorf("a piece leads to %q", d.under())
	}
	d.keys("g<enter>")
	d.want("bucket 0", "superblock")
	d.keys("<esc>")
	d.want("back", "buckets of")
}

// The keys' list goes through all live pieces that inspect knows, forwards and backwards, over the leaves' ends.
func TestKeys(t *testing.T) {
	d := drive(t, "fifo-full", 80, 24)
	var want []string
	for e, err := range d.m.all.cache.Extents(inspect.Everything) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Live {
			x := d.m.all.extentOf(e)
			want = append(want, strings.Join(x.cells(), " "))
		}
	}
	if len(want) < 2000 || len(d.m.all.parts) < 2 {
		t.Fatalf("%d pieces in %d leaves", len(want), len(d.m.all.parts))
	}
	d.keys("4")
	var got []string
	for part := -1; d.m.part != part; {
		part = d.m.part
		for i := range d.m.extents {
			got = append(got, strings.Join(d.m.extents[i].cells(), " "))
		}
		d.m.list().move(d.m.list().n-1, d.m.rows())
		d.keys("<down>")
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d pieces, want %d", len(got), len(want))
	}
	d.keys("<end>")
	if row := strings.Join(strings.Fields(d.under()), " "); row != want[len(want)-1] {
		t.Errorf("the last is %q, want %q", row, want[len(want)-1])
	}
	d.keys("<home>")
	if row := strings.Join(strings.Fields(d.under()), " "); row != want[0] {
		t.Errorf("the first is %q, want %q", row, want[0])
	}
	middle := strings.Fields(want[len(want)/2])
	d.keys("/" + middle[0] + ":" + middle[1] + "<enter>")
	if row := strings.Join(strings.Fields(d.under()), " "); row != want[len(want)/2] {
		t.Errorf("a place leads to %q, want %q", row, want[len(want)/2])
	}
}

// Every screen holds at every size, and at none there is a panic.
func TestSizes(t *testing.T) {
	d := drive(t, "two-backing-flash", 80, 24)
	for _, size := range [][2]int{{80, 24}, {20, 5}, {1, 1}, {0, 0}, {300, 100}, {40, 12}} {
		d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		d.keys("12<end>345<tab>?<esc>/x<esc>3<enter><esc>")
		d.check()
	}
}

// A device without a btree, one that cannot be read, and ^C.
func TestLittle(t *testing.T) {
	d := drive(t, "empty-registered", 80, 24)
	d.keys("4")
	d.want("no keys", "no live keys")
	d.keys("5")
	m := newModel(context.Background(), setup{name: "a\x1b[31mb", read: func(*gauge) (*contents, error) { return nil, os.ErrPermission }})
	f := &driver{t, m}
	f.run(m.Init())
	f.keys("2345<enter><down>/n<esc>")
	f.want("unreadable", "permission denied", "a?[31mb")
	if err := m.outcome(); err == nil {
		t.Error("it ends well")
	}
	_, cmd := d.m.Update(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl})
	if cmd == nil || d.m.outcome() != context.Canceled {
		t.Error("^C does not interrupt")
	}
}
