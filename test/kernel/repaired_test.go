// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	passes "bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/superblock"
)

// What the page says of a set that was not repaired, and what stands behind the verdict on one for which dirty data had
// to be given up, or may have been.
const (
	notRepaired = "not repaired"
	gaveUp      = "; dirty data given up"
	gaveUnknown = "; keys were gone"
	gaveEnd     = "; the volume is shorter"
	gaveNamed   = "; dirty data are a volume of their own" // for nothing tells whose they are
	gavePlanted = "; the damage's own keys"                // which nobody can tell from others
)

// A mended is a damage with what bctl fsck -y made of it.
type mended struct {
	damages.Damage // plants the damage and repairs it
	planted        damages.Damage
	price          string
}

// repairAll lets fsck -y repair each damage once, and returns those that it repairs; of the others the page says why.
func repairAll(t *testing.T, list []damages.Damage) (done []mended, cells map[string]string) {
	t.Helper()
	cells = map[string]string{}
	for _, d := range list {
		m := mended{Damage: d, planted: d}
		cell := ""
		m.Plant = func(s *damages.Scene) {
			d.Plant(s)
			m.price, cell = repairScene(t, s)
		}
		s := openScene(t, d)
		m.Plant(s)
		switch cell {
		case "":
			done = append(done, m)
		default:
			cells[d.Name] = cell
		}
	}
	return done, cells
}

// given are the devices of a scene, and what fsck gets of them.
func given(s *damages.Scene) (devs []*planter.Image, list []passes.Device) {
	devs = append([]*planter.Image{s.Main}, s.Back...)
	if s.Main != s.Image {
		devs = devs[:1]
	}
	for i, m := range devs {
		list = append(list, passes.Device{Name: fmt.Sprintf("dev%d", i), R: m, Size: m.Size(), LogicalBlock: 512})
	}
	list[0].LogicalBlock = max(512, s.Logical)
	return devs, list
}

// planRepair is what fsck -y would do with the devices of a scene.
func planRepair(list []passes.Device) (*repair.Result, error) {
	o := repair.Options{Options: passes.Options{Now: damages.Now}}
	r, err := repair.Plan(context.Background(), list[0], list[1:], o)
	if errors.Is(err, superblock.ErrNotBcache) { // --scan
		if o.Hints.Marks, err = superblock.FindMarks(context.Background(), list[0].R, list[0].Size, nil); err == nil {
			r, err = repair.Plan(context.Background(), list[0], list[1:], o)
		}
	}
	return r, err
}

// repairScene does what fsck -y does with all devices of a scene. why is what the page says where it does not.
func repairScene(t *testing.T, s *damages.Scene) (price, why string) {
	t.Helper()
	if len(s.Main.Broken()) > 0 {
		return "", notRepaired // the medium is to be copied first
	}
	devs, list := given(s)
	r, err := planRepair(list)
	switch {
	case err != nil:
		return "", notRepaired
	case r.Before != nil && r.Before.Result != passes.Damaged:
		return "", "-"
	case r.After.Result == passes.Damaged:
		return "", notRepaired
	}
	for i, p := range r.Plans {
		if p == nil {
			continue
		}
		if err := p.Run(medium{devs[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if r.Unknown {
		price = gaveUnknown
	}
	if r.After.Summary != nil && slices.ContainsFunc(r.After.Summary.Volumes, func(v passes.VolumeCounts) bool { return strings.HasPrefix(v.Label, "lost+found ") }) {
		price = gaveNamed
	}
	if r.Before != nil && slices.ContainsFunc(r.Before.Findings, func(f finding.Finding) bool { return f.Code == finding.EXPastBacking }) {
		price = gaveEnd
	}
	for _, l := range r.Lost {
		if l.Dirty && l.Known {
			price = gaveUp
		}
	}
	return price, ""
}

// A medium is an image that a plan is carried out on.
type medium struct{ *planter.Image }

func (medium) Sync() error { return nil }

// askRepaired returns what the kernels make of each damage after its repair, as the page has it: all in one cell, for
// they must agree. What is wrong with an answer is an error of the test.
func askRepaired(t *testing.T, list []damages.Damage) map[string]string {
	t.Helper()
	done, cells := repairAll(t, list)
	answers := map[string]map[string]judged{} // by damage and series
	var mu sync.Mutex
	t.Run("kernels", func(t *testing.T) {
		eachOf(t, judges(), func(t *testing.T, k Kernel) {
			for name, d := range judgeRepaired(t, k, done) {
				mu.Lock()
				if answers[name] == nil {
					answers[name] = map[string]judged{}
				}
				answers[name][k.Series] = d
				mu.Unlock()
			}
		})
	})
	for _, m := range done {
		if answers[m.Name] == nil {
			continue // not asked: the page keeps what it has
		}
		words, price := map[string]string{}, m.price
		for series, d := range answers[m.Name] {
			words[series] = d.word
			why, planted := m.fault(t, d)
			if why != "" {
				t.Errorf("linux %s: %s, repaired: %s: %s", series, m.Name, d.word, why)
			} else if planted {
				price = gavePlanted
			}
		}
		cells[m.Name] = agreed(words) + price
	}
	return cells
}

// envRepairs names some of the kernels, where all take too long.
const envRepairs = "BCTL_KERNEL_REPAIRS"

// judges are the kernels that repaired sets are given to.
func judges() []string {
	if some := os.Getenv(envRepairs); some != "" {
		return strings.Split(some, ",")
	}
	return Repairs
}

// mustTake says what is wrong with a kernel's verdict on a repaired set: it must register it without a word, and show
// the same data where none were given up.
func mustTake(verdict, price string) string {
	what, said, _ := strings.Cut(verdict, ": ")
	switch {
	case !strings.HasPrefix(what, verdictTakes) || strings.Contains(what, verdictStop):
		return "it must register"
	case said != "" && !strings.Contains(said, firstRegistration):
		return "it must say nothing"
	case price == "" && what != verdictTakes && what != verdictTakes+", "+dataSame:
		return "its volumes must be as they were"
	}
	return ""
}

// agreed is one word for all where they agree.
func agreed(answers map[string]string) string {
	var said []string
	for _, series := range Repairs {
		if v, ok := answers[series]; ok && !slices.Contains(said, v) {
			said = append(said, v)
		}
	}
	if len(said) == 1 {
		return said[0]
	}
	var parts []string
	for _, series := range Repairs {
		if v, ok := answers[series]; ok {
			parts = append(parts, series+" "+v)
		}
	}
	return strings.Join(parts, "; ")
}

// A judged is a kernel's verdict, and what it is made from.
type judged struct {
	word string
	said *Case
}

// judgeRepaired tries repaired sets, and those again of which a kernel says more than it should: what its allocator
// comes to is a matter of luck.
func judgeRepaired(t *testing.T, k Kernel, done []mended) map[string]judged {
	prices, list := map[string]string{}, []damages.Damage{}
	for _, m := range done {
		prices[m.Name] = m.price
		list = append(list, m.Damage)
	}
	whole, verdicts := map[string]*Case{}, map[string]judged{}
	var tried []trial
	for part := range slices.Chunk(append(undamaged(list), list...), trialsPerBoot) {
		if end, ok := t.Deadline(); ok && time.Until(end) < lastBoots {
			t.Logf("linux %s: no time left after %d of %d", k.Series, len(tried), len(list))
			break
		}
		tried = append(tried, runTrials(t, k, part, trialsPerBoot)...)
	}
	for _, d := range tried {
		if whole[d.Base] == nil {
			whole[d.Base] = d.said
			continue
		}
		verdicts[d.Name] = judged{d.verdict(whole[d.Base]), d.said}
		if mustTake(verdicts[d.Name].word, prices[d.Name]) == "" {
			continue
		}
		for _, again := range runTrials(t, k, []damages.Damage{d.Damage}, 1) {
			t.Logf("%s: %s; again: %s", d.Name, verdicts[d.Name].word, again.verdict(whole[d.Base]))
			verdicts[d.Name] = judged{again.verdict(whole[d.Base]), again.said}
		}
	}
	return verdicts
}

// lastBoots is how much of the test's time is kept for the boots that have begun, and for writing the page.
const lastBoots = 4 * time.Minute

// TestPrices boots nothing: what a repair of slots and backing devices must give up is what the page says, of which the
// kernels were asked. A cell that has changed is to be asked again.
func TestPrices(t *testing.T) {
	t.Parallel()
	_, page := readPage(t)
	n := 0
	for _, s := range sections() {
		for _, d := range s.list {
			if s.innocent || !slices.ContainsFunc(d.Codes, func(c finding.Code) bool { return c[:2] == "UU" || c[:2] == "BD" }) {
				continue
			}
			n++
			scene := openScene(t, d)
			d.Plant(scene)
			price, why := repairScene(t, scene)
			cell, given, _ := strings.Cut(pageCell(page, d.Name, afterRepair), ";")
			if why != "" && cell != why || why == "" && ";"+given != cmp.Or(price, ";") {
				t.Errorf("%s: the page has %q%q, and now it is %q%q", d.Name, cell, given, why, price)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d damages", n)
	}
}

func TestAgreed(t *testing.T) {
	for _, c := range []struct {
		answers map[string]string
		want    string
	}{
		{map[string]string{"6.1": "registers", "6.12": "registers", "7.2": "registers"}, "registers"},
		{map[string]string{"6.1": "registers", "6.12": "registers"}, "registers"},
		{map[string]string{"6.1": "registers", "7.2": "refuses"}, "6.1 registers; 7.2 refuses"},
	} {
		if got := agreed(c.answers); got != c.want {
			t.Errorf("%v: %q, want %q", c.answers, got, c.want)
		}
	}
	for verdict, fine := range map[string]bool{
		"registers, same data": true, "registers": true, "registers, **other data**": false, "refuses": false,
		"registers: `invalidating existing data`": true, "registers, same data: `WARNING: x`": false, "registers, **cannot be stopped**": false,
	} {
		if why := mustTake(verdict, ""); (why == "") != fine {
			t.Errorf("%q: %q", verdict, why)
		}
	}
	if mustTake("registers, **other data**", gaveUp) != "" || mustTake("refuses", gaveUp) == "" {
		t.Error("what was given up")
	}
}
