package kernel

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/internal/damages"
	"bctl/internal/finding"
	"bctl/internal/imgtest"
)

var update = flag.Bool("update", false, "ask the kernels about the damages that docs/kernel-verdicts.md lacks too, and write it anew")

const verdictsHead = `# What Linux does with each damage

Written by the tests, which ask the kernels themselves. Each damage is planted alone in a set that is in order, with all
checksums right again but where it is a bit flip. Then the cache and its backing devices are registered, their volumes
are read from end to end, and all is stopped.

The kernel refuses the cache or registers it, or it dies or hangs; one that refuses may die too, a moment later, as luck
has it. Of the volumes it serves the same data as before the damage, other data, or no volume; a set made without
volumes has nothing to say. Then follows what it says, the worst of it, with # for numbers. The last column has what
` + "`bctl fsck`" + ` finds; docs/findings.md explains the codes.
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
		{title: "No damage", text: "What crashes leave, and what looks odd. bctl finds nothing in it, and the kernel must not complain.\n\n",
			list: sound, always: true, innocent: true},
		{title: "Damage that people meet", list: damages.Tried, always: true},
		{title: "Just out of bounds", list: unsound},
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

// TestVerdicts asks both kernels what they make of the damages that people meet, and holds docs/kernel-verdicts.md
// against the answers. With -update it asks about those too that the page has no word on, and writes it: without a page
// that takes twenty minutes.
func TestVerdicts(t *testing.T) {
	needLab(t)
	path := filepath.Join(imgtest.Root(t), "docs", "kernel-verdicts.md")
	b, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	page := string(b)
	all := sections()
	var ask []damages.Damage
	for _, s := range all {
		for _, d := range s.list {
			if s.always || *update && pageCell(page, d.Name, 0) == "" {
				ask = append(ask, d)
			}
		}
	}
	answers := askKernels(t, ask, page)
	var tables strings.Builder
	var damaged [][]string
	for _, s := range all {
		fmt.Fprintf(&tables, "\n## %s\n\n%s| damage | Linux %s | Linux %s | bctl |\n| --- | --- | --- | --- |\n", s.title, s.text, Series[0], Series[1])
		for _, d := range s.list {
			answer, asked := answers[d.Name]
			if !asked {
				answer = []string{pageCell(page, d.Name, 0), pageCell(page, d.Name, 1)}
			}
			if s.innocent {
				mustNotComplain(t, d, answer)
			} else {
				damaged = append(damaged, answer)
			}
			row := verdictRow(d, answer)
			tables.WriteString(row)
			if !*update && !strings.Contains(page, "\n"+row) {
				t.Errorf("docs/kernel-verdicts.md is not what the kernels do: run make kernel-verdicts\n%s", row)
			}
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(verdictsHead+verdictsSummary(damaged)+tables.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
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
			counts[i][kernel]++
		}
	}
	for i, e := range endings {
		fmt.Fprintf(&s, "| %s | %d | %d |\n", e.what, counts[i][0], counts[i][1])
	}
	return s.String()
}

// mustNotComplain fails the test where a kernel has more to say than that it registers the set and serves its data. It
// may say that it is the first to register it.
func mustNotComplain(t *testing.T, d damages.Damage, answer []string) {
	t.Helper()
	for _, verdict := range answer {
		what, said, _ := strings.Cut(verdict, ": ")
		if what != verdictTakes && what != verdictTakes+", "+dataSame || said != "" && !strings.Contains(said, firstRegistration) {
			t.Errorf("bctl finds nothing in %q, but a kernel: %s", d.Name, verdict)
		}
	}
}

// verdictRow is a line of a table.
func verdictRow(d damages.Damage, answer []string) string {
	second := answer[1]
	if second == answer[0] {
		second = "the same"
	}
	var found []string
	for _, code := range d.Codes {
		found = append(found, fmt.Sprintf("%s %s", code, finding.Lookup(code).Severity))
	}
	slices.Sort(found)
	return fmt.Sprintf("| %s | %s | %s | %s |\n", d.Name, answer[0], second, strings.Join(found, ", "))
}

// askKernels returns the verdict of each kernel on each damage, by the damage's name.
func askKernels(t *testing.T, list []damages.Damage, page string) map[string][]string {
	answers := map[string][]string{}
	for _, d := range list {
		answers[d.Name] = make([]string, len(Series))
	}
	t.Run("kernels", func(t *testing.T) {
		each(t, func(t *testing.T, k Kernel) {
			n := slices.Index(Series, k.Series)
			for name, verdict := range judgeAll(t, k, list, page) {
				answers[name][n] = verdict
			}
		})
	})
	return answers
}

// judgeAll tries all damages, and those on which the page says something else twice more: a kernel that has failed
// runs on for a moment, and what it comes to in that time is a matter of luck.
func judgeAll(t *testing.T, k Kernel, list []damages.Damage, page string) map[string]string {
	whole, verdicts := map[string]*Case{}, map[string]string{} // by base; by name
	for _, d := range runTrials(t, k, undamaged(list)) {
		whole[d.Base] = d.said
		mustNotComplain(t, d.Damage, []string{d.verdict(d.said)})
	}
	for range 3 {
		tried := runTrials(t, k, list)
		list = nil
		for _, d := range tried {
			verdicts[d.Name] = d.verdict(whole[d.Base])
			if cell := pageCell(page, d.Name, slices.Index(Series, k.Series)); cell != "" && cell != verdicts[d.Name] {
				t.Logf("%s: %s; the page has: %s", d.Name, verdicts[d.Name], cell)
				list = append(list, d.Damage)
			}
		}
	}
	return verdicts
}

// pageCell is what the page says that a kernel, by its number, does with a damage; "" where it says nothing.
func pageCell(page, name string, kernel int) string {
	_, row, ok := strings.Cut(page, "\n| "+name+" | ")
	if !ok {
		return ""
	}
	row, _, _ = strings.Cut(row, "\n")
	cells := strings.Split(row, " | ")
	if kernel > 0 && cells[kernel] != "the same" {
		return cells[kernel]
	}
	return cells[0]
}

// unlikeKernel are the warnings of which a kernel makes more, with the reason why they are none the less no damage.
var unlikeKernel = map[string]string{
	"EX05": "written back and reused is the same, and legal",
	"SB17": "a crash of the first registration leaves the same",
	"BD09": "stale is what a device says that was made to run without its cache, at its owner's wish",
	"BD13": "it belongs to another cache",
	"UU08": "nobody knows which of the two fields is wrong",
	"UU13": "the volume may have been made smaller",
}

// Where a kernel dies, or serves other data than before, bctl must speak of damage.
func TestVerdictsAndSeverities(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(imgtest.Root(t), "docs", "kernel-verdicts.md"))
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(row, "|\n "), " | ")
		if len(cells) != 4 || !strings.Contains(cells[1]+cells[2], "**") || strings.Contains(cells[3], string(finding.Damage)) {
			continue
		}
		code, _, _ := strings.Cut(cells[3], " ")
		if unlikeKernel[code] == "" {
			t.Errorf("%s: the kernel: %s; bctl: %q", cells[0], cells[1], cells[3])
		}
	}
}
