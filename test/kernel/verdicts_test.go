// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bctl/internal/finding"
	"bctl/internal/lab/damages"
)

var (
	update = flag.Bool("update", false, "ask the kernels about the damages that docs/kernel-verdicts.md lacks too, and write it anew")
	again  = flag.String("again", "", "with -update: ask about the repairs of these damages alone, a regular expression, whatever the page has of them")
)

// TestVerdicts asks both kernels what they make of the damages that people meet, and of what bctl fsck -y makes of them,
// and holds docs/kernel-verdicts.md against the answers. With -update it asks about those too that the page has no word on, and writes it: without a page
// that takes twenty minutes.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, series := range Series {
		needKernel(t, series)
	}
	path, page := readPage(t)
	var ask, repaired []damages.Damage
	for _, s := range sections() {
		for _, d := range s.list {
			if s.always && *again == "" || *update && pageCell(page, d.Name, 0) == "" {
				ask = append(ask, d)
			}
			if !s.innocent && askRepair(s, d, page) {
				repaired = append(repaired, d)
			}
		}
	}
	var answers map[string][]string
	var mended map[string]string
	t.Run("asked", func(t *testing.T) { // both beside each other: a kernel's boots come in turn
		t.Run("damaged", func(t *testing.T) { t.Parallel(); answers = askKernels(t, ask, page) })
		t.Run("repaired", func(t *testing.T) { t.Parallel(); mended = askRepaired(t, repaired) })
	})
	now := verdictPage(func(d damages.Damage) (kernels []string, after string) {
		kernels, after = pageCells(page, d.Name)
		if answer, ok := answers[d.Name]; ok {
			kernels = answer
		}
		if answer, ok := mended[d.Name]; ok {
			after = answer
		}
		return kernels, after
	})
	mustNotComplain(t, now)
	if *update {
		if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	mustBe(t, page, now)
}

// askRepair reports whether the kernels are to be asked about a damage after its repair.
func askRepair(s section, d damages.Damage, page string) bool {
	switch {
	case *update && *again != "":
		return regexp.MustCompile(*again).MatchString(d.Name)
	case s.always:
		return true
	}
	return *update && pageCell(page, d.Name, afterRepair) == ""
}

// TestVerdictPage boots nothing: it holds the page against the catalogue.
func TestVerdictPage(t *testing.T) {
	_, page := readPage(t)
	mustBe(t, page, verdictPage(func(d damages.Damage) ([]string, string) { return pageCells(page, d.Name) }))
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
	for _, d := range runTrials(t, k, undamaged(list), trialsPerBoot) {
		whole[d.Base] = d.said
		if got := d.verdict(d.said); !strings.HasPrefix(got, verdictTakes) {
			t.Errorf("%s: %s", d.Base, got)
		}
	}
	for range 3 {
		tried := runTrials(t, k, list, trialsPerBoot)
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

// unlikeKernel are the warnings of which a kernel makes more, with the reason why they are none the less no damage.
var unlikeKernel = map[string]string{
	"":     "without its backing device nobody can know",
	"EX05": "written back and reused is the same, and legal",
	"SB17": "a crash of the first registration leaves the same",
	"BD13": "it belongs to another cache",
	"BD15": "it was being detached, and is whole without the cache",
	"UU08": "nobody knows which of the two fields is wrong",
	"UU13": "the volume may have been made smaller",
}

// Where a kernel dies, or serves other data than before, bctl must speak of damage.
func TestVerdictsAndSeverities(t *testing.T) {
	_, page := readPage(t)
	mustNotComplain(t, page)
	for row := range strings.Lines(page) {
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(row, "| "), " |\n"), " | ")
		if len(cells) != 5 || !strings.Contains(cells[1]+cells[2], "**") || strings.Contains(cells[3], string(finding.Damage)) {
			continue
		}
		code, _, _ := strings.Cut(cells[3], " ")
		if unlikeKernel[code] == "" {
			t.Errorf("%s: the kernel: %s; bctl: %q", cells[0], cells[1], cells[3])
		}
	}
}
