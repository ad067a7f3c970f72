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

// The worked example of README.md, and those of docs/recovery.md, do what they say.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("it checks a device four times")
	}
	for doc, least := range map[string]int{"README.md": 7, "docs/recovery.md": 20} {
		t.Run(filepath.Base(doc), func(t *testing.T) { runExamples(t, doc, least) })
	}
}

// runExamples runs those of a document, of which there are some at least, in a folder of their own.
func runExamples(t *testing.T, doc string, least int) {
	text, err := os.ReadFile(filepath.Join(imgtest.Root(t), doc))
	if err != nil {
		t.Fatal(err)
	}
	list := examples(string(text))
	if len(list) < least {
		t.Fatalf("%d examples", len(list))
	}
	packed := map[string]string{} // unpacked before the test leaves the module
	for _, e := range list {
		if words := strings.Fields(e.command); words[0] == "zstd" {
			packed[e.command] = imgtest.Private(t, strings.TrimSuffix(strings.TrimPrefix(words[2], "testdata/"), ".zst"))
		}
	}
	t.Chdir(t.TempDir())
	for _, e := range list {
		if e.made() {
			if err := os.Remove(strings.Fields(e.command)[2]); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		got := e.run(t, packed)
		if rest := e.compare(got); rest != "" {
			t.Errorf("$ %s\nprints no line %q where %s has one; it prints\n%s", e.command, rest, doc, got)
		}
	}
}

// made says whether a command makes a new image, which may have been made in an example before.
func (e example) made() bool { return strings.HasPrefix(e.command, "bctl generate ") }

// run does a command, and returns what it prints on stdout.
func (e example) run(t *testing.T, packed map[string]string) string {
	t.Helper()
	words := strings.Fields(e.command)
	switch words[0] {
	case "bctl":
		return bctl(unquoted(e.command)[1:]...).Stdout
	case "zstd": // -d FROM -o TO
		if err := os.Rename(packed[e.command], words[4]); err != nil {
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

// unquoted is the words of a command, as a shell takes them: single quotes alone are known.
func unquoted(command string) (words []string) {
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
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

// Every command that README.md and docs/recovery.md show is one of bctl's, with flags that it has.
func TestReadmeCommands(t *testing.T) {
	seen, text := 0, ""
	for _, doc := range []string{"README.md", "docs/recovery.md"} {
		b, err := os.ReadFile(filepath.Join(imgtest.Root(t), doc))
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	for line := range strings.Lines(text) {
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
