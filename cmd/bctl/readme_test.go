// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// An example is a command of README.md and what it is said to print. A line of three dots stands for any lines.
type example struct {
	command string
	prints  []string
}

// examples are the indented blocks of a document that begin with a prompt, in order.
func examples(text string) (list []example) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		shown, indented := strings.CutPrefix(line, "    ")
		command, prompt := strings.CutPrefix(shown, "$ ")
		switch {
		case indented && prompt:
			list = append(list, example{command: command})
		case indented && len(list) > 0 && list[len(list)-1].command != "":
			list[len(list)-1].prints = append(list[len(list)-1].prints, shown)
		case line != "" && len(list) > 0 && list[len(list)-1].command != "":
			list = append(list, example{}) // what is indented further down belongs to no command
		}
	}
	return slices.DeleteFunc(list, func(e example) bool { return e.command == "" })
}

// README.md's worked example does what it says.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("it checks a device four times")
	}
	root := imgtest.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	list := examples(string(text))
	if len(list) < 7 {
		t.Fatalf("%d examples", len(list))
	}
	packed := map[string]string{} // unpacked before the test leaves the module
	for _, e := range list {
		if words := strings.Fields(e.command); words[0] == "zstd" {
			packed[words[2]] = imgtest.Private(t, strings.TrimSuffix(strings.TrimPrefix(words[2], "testdata/"), ".zst"))
		}
	}
	t.Chdir(t.TempDir())
	for _, e := range list {
		got := e.run(t, packed)
		if rest := e.compare(got); rest != "" {
			t.Errorf("$ %s\nprints no line %q where README.md has one; it prints\n%s", e.command, rest, got)
		}
	}
}

// run does a command, and returns what it prints on stdout.
func (e example) run(t *testing.T, packed map[string]string) string {
	t.Helper()
	words := strings.Fields(e.command)
	switch words[0] {
	case "bctl":
		return bctl(words[1:]...).Stdout
	case "zstd": // -d FROM -o TO
		if err := os.Rename(packed[words[2]], words[4]); err != nil {
			t.Fatal(err)
		}
		return ""
	case "printf": // '\N' | dd of=FILE bs=1 seek=AT ...
		var value byte
		var at int64
		_, err := fmt.Sscanf(words[1], `'\%o'`, &value)
		if _, serr := fmt.Sscanf(words[6], "seek=%d", &at); err != nil || serr != nil {
			t.Fatalf("%s: %v, %v", e.command, err, serr)
		}
		imgtest.Write(t, strings.TrimPrefix(words[4], "of="), at, []byte{value})
		return ""
	}
	t.Fatalf("$ %s: what is that?", e.command)
	return ""
}

// compare is the first line that is not printed where it should be, or "".
func (e example) compare(got string) string {
	lines, skip := strings.Split(got, "\n"), false
	for _, want := range e.prints {
		if strings.TrimSpace(want) == "..." {
			skip = true
			continue
		}
		i := slices.Index(lines, want)
		if i < 0 || i > 0 && !skip {
			return want
		}
		lines, skip = lines[i+1:], false
	}
	return ""
}

// Every command that README.md shows is one of bctl's, with flags that it has.
func TestReadmeCommands(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(imgtest.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		_, command, ok := strings.Cut(line, "    bctl ")
		if !ok {
			continue
		}
		seen++
		args := append(strings.Fields(command), "--help")
		if got := bctl(args...); got.Code != 0 {
			t.Errorf("bctl %v: exit %d, %s", args, got.Code, got.Stderr)
		}
	}
	if seen < 3 {
		t.Errorf("%d commands", seen)
	}
}
