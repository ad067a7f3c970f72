// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// A block of a page is what stands indented or between fences.
type block struct {
	line     int // of the page, from 1
	lines    []string
	language string // that a fence names
}

// blocksOf are the blocks of a page.
func blocksOf(text string) (list []block) {
	var b *block
	fenced, blank := false, true
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		indented := strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != ""
		switch {
		case fence && fenced:
			fenced, b = false, nil
		case fence:
			fenced = true
			list = append(list, block{line: i + 1, language: language})
			b = &list[len(list)-1]
		case fenced:
			b.lines = append(b.lines, line)
		case indented && b == nil && blank:
			list = append(list, block{line: i + 1})
			b = &list[len(list)-1]
			fallthrough
		case indented && b != nil:
			b.lines = append(b.lines, strings.TrimSpace(line))
		case strings.TrimSpace(line) != "":
			b = nil
		}
		blank = strings.TrimSpace(line) == ""
	}
	return list
}

// notCommands are blocks that nobody types, by how they begin.
var notCommands = map[string][]string{
	"CONTRIBUTING.md": {"      cmd/bctl  "},
	"docs/alloc.md":   {"stateDiagram-v2", "# perf record", "bctl alloc-bench --script FILE   "},
	"docs/bctl.8.md": {
		"tab, 1 to 5", "--script FILE   prints", "superblock    the buckets before", "bctl: /dev/sda1: in use",
	},
	"docs/format.md":     {"byte 0 ", "newest jset"},
	"docs/image.md":      {"flags              a byte"},
	"docs/monitoring.md": {"groups:", "- name: Check the cache"},
	"docs/repair.md":     {`{"volume":`},
	"docs/writing.md":    {"      nothing refers to these yet", "ring     ["},
}

// asPrinted are pages whose examples with a prompt TestReadme runs, and compares with what stands below them.
var asPrinted = []string{"README.md", "docs/recovery.md"}

// otherPrograms are what examples begin with beside bctl.
var otherPrograms = []string{"cp", "echo", "go", "make", "nbdkit", "parallel", "qemu-nbd", "sbatch", "sed", "seq", "mount", "source", "fsck.bcache", "mkfs.bcache", "bctl"}

// isCommand says whether a line begins with a program.
func isCommand(line string) bool {
	first, _, _ := strings.Cut(line, " ")
	_, stub := helpStubs[first]
	return stub || slices.Contains(otherPrograms, first)
}

// pages are README.md, CONTRIBUTING.md and all of docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := imgtest.Root(t)
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	list := map[string]string{}
	for _, path := range append(files, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(path)
		name, err2 := filepath.Rel(root, path)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		list[name] = string(text)
	}
	return list
}

// typedOn are the lines of a page that are to be typed and that no other test runs.
func typedOn(t *testing.T, page, text string, help []string) (list []string) {
	t.Helper()
	for _, b := range blocksOf(text) {
		if len(b.lines) == 0 || slices.ContainsFunc(notCommands[page], func(begin string) bool { return strings.HasPrefix(b.lines[0], begin) }) {
			continue
		}
		prompts := slices.ContainsFunc(b.lines, func(l string) bool { return strings.HasPrefix(l, "$ ") })
		for i, line := range b.lines {
			command, prompt := strings.CutPrefix(line, "$ ")
			switch {
			case prompts && !prompt, prompt && slices.Contains(asPrinted, page), page == "docs/alloc.md" && strings.Contains(line, "example.log"):
				continue // what it prints, and what TestReadme and TestAllocDocs type
			case page == "docs/bctl.8.md" && (i == 0 && usageLine.MatchString(line) || slices.Contains(help, line)):
				continue // TestHelpExamples
			case !isCommand(command):
				t.Errorf("%s:%d: %q is neither a command nor in notCommands", page, b.line+i, line)
			case page == "docs/bctl.8.md":
				t.Errorf("%s:%d: %q is no example of help: nothing runs it", page, b.line+i, line)
			default:
				list = append(list, command)
			}
		}
	}
	return list
}

var usageLine = regexp.MustCompile(`^(bctl|fsck\.bcache|mkfs\.bcache)( [a-z-]+)? \[(global )?flags\]`)

// Whatever a page shows indented or fenced is a command that a test runs, or is listed as something else. Here run those
// that stand without what they print, or print what no machine prints twice; as the examples of help are.
func TestPageExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every example")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash here")
	}
	t.Setenv("COLUMNS", "1000")
	var help []string
	for _, name := range helpNames() {
		help = append(help, helpExamples(name)...)
	}
	shown, all := map[string][]string{}, pages(t)
	for _, page := range slices.Sorted(maps.Keys(all)) {
		if list := typedOn(t, page, all[page], help); len(list) > 0 {
			shown[strings.TrimSuffix(filepath.Base(page), ".md")] = list
		}
		for _, begin := range notCommands[page] {
			if !slices.ContainsFunc(blocksOf(all[page]), func(b block) bool { return len(b.lines) > 0 && strings.HasPrefix(b.lines[0], begin) }) {
				t.Errorf("%s has no block that begins %q any more", page, begin)
			}
		}
	}
	if len(shown) < 5 {
		t.Fatalf("%d pages with commands", len(shown))
	}
	runExamples(t, shown)
}

// What make is asked for in a page is a target.
func TestPageTargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(imgtest.Root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for page, text := range pages(t) {
		for _, m := range regexp.MustCompile("(?m)(?:^ +|`|sudo |&& )make ([a-z0-9-]+)").FindAllStringSubmatch(text, -1) {
			seen++
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s: make %s is no target", page, m[1])
			}
		}
	}
	if seen < 8 {
		t.Errorf("%d targets", seen)
	}
}

// inlineExample is a command within a sentence.
var inlineExample = regexp.MustCompile("`(bctl [a-z][^`]*)`")

// Commands within the sentences of all pages are bctl's, with flags that it has.
func TestPageCommands(t *testing.T) {
	seen := 0
	for page, text := range pages(t) {
		text = regexp.MustCompile(`\s*\n\s*`).ReplaceAllString(text, " ")
		for _, m := range inlineExample.FindAllStringSubmatch(text, -1) {
			command, _, _ := strings.Cut(strings.ReplaceAll(m[1], `\|`, "|"), "|")
			if strings.Contains(command, "...") && !strings.Contains(command, " --") {
				command = strings.ReplaceAll(command, "...", "")
			}
			var args []string
			for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(command, -1) {
				args = append(args, strings.Trim(word, "'"))
			}
			seen++
			if last := args[len(args)-1]; last == "-b" || last == "-C" { // of which the sentence speaks
				args = append(args, "1")
			}
			if got := bctl(append(args[1:], "--help")...); got.Code != 0 {
				t.Errorf("%s: `%s`: exit %d, %s", page, m[1], got.Code, got.Stderr)
			}
		}
	}
	if seen < 100 {
		t.Errorf("%d commands", seen)
	}
	for _, name := range allCommandNames() {
		if !strings.Contains(pages(t)["README.md"], "`bctl "+name+"`") {
			t.Errorf("README.md does not list bctl %s", name)
		}
	}
}

// docs/monitoring.md has every series that there is and no other, in its table and its alerts, and its tasks are command
// lines whose JSON has what they take from it.
func TestPageMonitoring(t *testing.T) {
	page := pages(t)["docs/monitoring.md"]
	img := imgtest.Open(t, "writeback-crash")
	path := filepath.Join(t.TempDir(), "bctl.prom")
	checked := bctl("fsck", "--json", "--prometheus", path, img.Cache)
	series := map[string]bool{}
	for name := range samples(t, path) {
		name, _, _ = strings.Cut(name, "/")
		series[name] = true
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bbctl_[a-z_]+`).FindAllString(page, -1) {
		named[name] = true
	}
	if !maps.Equal(series, named) || len(named) < 10 {
		t.Errorf("series are %q, the page has %q", slices.Sorted(maps.Keys(series)), slices.Sorted(maps.Keys(named)))
	}
	tasks := regexp.MustCompile(`argv: \[bctl, (.*)\]`).FindAllStringSubmatch(page, -1)
	for _, m := range tasks {
		args := strings.Split(m[1], ", ")
		if got := bctl(append(args, "--help")...); got.Code != 0 {
			t.Errorf("%q: %s", args, got.Stderr)
		}
	}
	tuned := bctl("tune", "--json", "--no-undo", "--cache-mode", "writethrough", img.Backing[0])
	if len(tasks) != 2 || !strings.Contains(checked.Stdout, `"findings":`) || !strings.Contains(tuned.Stdout, `"changed": true`) {
		t.Errorf("%d tasks, %.200s, %s", len(tasks), checked.Stdout, tuned.Stdout)
	}
}
