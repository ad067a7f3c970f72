// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
)

const verdictsHead = `# What Linux does with each damage

Written by the tests, which ask the kernels themselves. Each damage is planted alone in a set that is in order, with all
checksums right again but where it is a bit flip. Then the cache and its backing devices are registered, their volumes
are read from end to end, and all is stopped.

The kernel refuses the cache or registers it, or it dies or hangs; one that refuses may die too, a moment later, as luck
has it. Of the volumes it serves the same data as before the damage, other data, or no volume; a set made without
volumes has nothing to say. Then follows what it says, the worst of it, with # for numbers. The fourth column has what
` + "`bctl fsck`" + ` finds; docs/findings.md explains the codes. The last is what the kernels make of the same set after
` + "`bctl fsck -y`" + ` with all its devices: those of Linux 6.1, 6.12 and 7.2 that were asked, in one word where they agree;
an empty cell was not asked yet. Where the repair had to
give dirty data up, or keys were gone of which nobody knows, that stands behind it: then the data may differ; or the
damage planted keys that are as good as any others, and both the kernel and bctl show what they lead to. "not
repaired" has its reasons in docs/repair.md; "-" is a legal state, which no repair touches.
`

// A section is a table of the page.
type section struct {
	title, text string
	list        []damages.Damage
	always      bool // asked in every run, not only where the page is written
	innocent    bool // the kernel must not complain of any
}

func sections() []section {
	texts := map[string]string{}
	for _, i := range finding.Invariants() {
		texts[i.ID] = i.Text
	}
	proved := damages.Proved()
	for i, d := range proved {
		id, _, _ := strings.Cut(d.Name, ".")
		proved[i].Name += " " + strings.ReplaceAll(texts[id], "|", "/")
	}
	sound, unsound := soundness()
	return []section{
		{
			title: "No damage", text: "What crashes leave, and what looks odd. bctl finds nothing in it, and the kernel must not complain.\n\n",
			list: sound, always: true, innocent: true,
		},
		{title: "Damage that people meet", list: damages.Tried, always: true},
		{title: "Just out of bounds", list: unsound},
		{title: "Superblocks and journals that are lost", text: "Where bctl finds nothing, `bctl fsck -y`, and `--scan` where the journal is lost too, makes it anew.\n\n", list: damages.Gone},
		{title: "Every invariant", text: "Each row breaks the invariant it names; some can be broken in several ways.\n\n", list: proved},
	}
}

// undamaged are the sets that damages are planted in.
func undamaged(list []damages.Damage) (bases []damages.Damage) {
	for _, d := range list {
		if !slices.ContainsFunc(bases, func(b damages.Damage) bool { return b.Base == d.Base }) {
			bases = append(bases, damages.Damage{Name: "nothing: " + d.Base, Base: d.Base, Plant: func(*damages.Scene) {}})
		}
	}
	return bases
}

// soundness parts what bctl has nothing to say of from the boundaries that are crossed.
func soundness() (sound, unsound []damages.Damage) {
	for _, d := range slices.Concat(damages.Legal, damages.Boundaries) {
		if len(d.Codes) == 0 {
			sound = append(sound, d)
		} else {
			unsound = append(unsound, d)
		}
	}
	return sound, unsound
}

// readPage reads docs/kernel-verdicts.md. Where it is to be written, it may be missing.
func readPage(t *testing.T) (path, page string) {
	t.Helper()
	path = filepath.Join(imgtest.Root(t), "docs", "kernel-verdicts.md")
	b, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	return path, string(b)
}

// mustBe fails the test for every line of the page that would be another.
func mustBe(t *testing.T, page, now string) {
	t.Helper()
	if page == now {
		return
	}
	t.Error("docs/kernel-verdicts.md is not what the catalogue and the kernels say: run make kernel-verdicts")
	for line := range strings.Lines(now) {
		if !strings.Contains(page, "\n"+line) {
			t.Logf("now: %s", line)
		}
	}
}

// verdictPage is the whole page.
func verdictPage(answer func(d damages.Damage) ([]string, string)) string {
	var tables strings.Builder
	var damaged [][]string
	for _, s := range sections() {
		fmt.Fprintf(&tables, "\n## %s\n\n%s| damage | Linux %s | Linux %s | bctl | after bctl fsck -y |\n| --- | --- | --- | --- | --- |\n", s.title, s.text, Series[0], Series[1])
		for _, d := range s.list {
			verdicts, after := answer(d)
			if s.innocent {
				after = ""
			}
			tables.WriteString(verdictRow(d, verdicts, after))
			if !s.innocent {
				damaged = append(damaged, verdicts)
			}
		}
	}
	return verdictsHead + verdictsSummary(damaged) + tables.String()
}

// An ending is a kind of verdicts: those that have one of these parts, and are of no kind before it.
type ending struct {
	what  string
	parts []string
}

var endings = []ending{
	{"dies or hangs, at once or when the set is stopped", []string{verdictDies, verdictHangs, verdictStop}},
	{"refuses the device", []string{verdictRefuses}},
	{"registers, and the volume is not there", []string{dataGone}},
	{"registers, and serves other data", []string{dataOther}},
	{"registers, and says something", []string{"`"}},
	{"registers without a word", []string{verdictTakes}},
}

// verdictsSummary counts what the kernels do with all damages.
func verdictsSummary(answers [][]string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "\n| of %d damages, the kernel | Linux %s | Linux %s |\n| --- | ---: | ---: |\n", len(answers), Series[0], Series[1])
	counts := make([][2]int, len(endings))
	for _, answer := range answers {
		for kernel, verdict := range answer {
			i := slices.IndexFunc(endings, func(e ending) bool {
				return slices.ContainsFunc(e.parts, func(part string) bool { return strings.Contains(verdict, part) })
			})
			if i >= 0 {
				counts[i][kernel]++
			}
		}
	}
	for i, e := range endings {
		fmt.Fprintf(&s, "| %s | %d | %d |\n", e.what, counts[i][0], counts[i][1])
	}
	return s.String()
}

// mustNotComplain fails the test where a kernel has more to say of what bctl calls sound than that it registers the set
// and serves its data. It may say that it is the first to register it.
func mustNotComplain(t *testing.T, page string) {
	t.Helper()
	for _, s := range sections() {
		for _, d := range s.list {
			kernels, _ := pageCells(page, d.Name)
			for _, verdict := range kernels {
				what, said, _ := strings.Cut(verdict, ": ")
				if s.innocent && (what != verdictTakes && what != verdictTakes+", "+dataSame || said != "" && !strings.Contains(said, firstRegistration)) {
					t.Errorf("bctl finds nothing in %q, but a kernel: %s", d.Name, verdict)
				}
			}
		}
	}
}

// verdictRow is a line of a table.
func verdictRow(d damages.Damage, answer []string, after string) string {
	second := answer[1]
	if second == answer[0] {
		second = "the same"
	}
	var found []string
	for _, code := range d.Codes {
		found = append(found, fmt.Sprintf("%s %s", code, finding.Lookup(code).Severity))
	}
	slices.Sort(found)
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", d.Name, answer[0], second, strings.Join(found, ", "), after)
}

// afterRepair is the column, as pageCell counts, of what kernels make of a repaired set.
const afterRepair = 3

// pageCell is what the page says that a kernel, by its number, does with a damage; "" where it says nothing.
func pageCell(page, name string, kernel int) string {
	_, row, ok := strings.Cut(page, "\n| "+name+" | ")
	if !ok {
		return ""
	}
	row, _, _ = strings.Cut(row, " |\n")
	cells := strings.Split(row, " | ")
	if kernel == afterRepair {
		if len(cells) > afterRepair {
			return cells[afterRepair]
		}
		return ""
	}
	if kernel > 0 && cells[kernel] != "the same" {
		return cells[kernel]
	}
	return cells[0]
}

func pageCells(page, name string) (kernels []string, after string) {
	return []string{pageCell(page, name, 0), pageCell(page, name, 1)}, pageCell(page, name, afterRepair)
}
