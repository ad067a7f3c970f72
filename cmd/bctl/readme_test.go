// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

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

// The worked example of README.md, and those of docs/recovery.md, do what they say, given to a shell as they stand.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("it checks a device four times")
	}
	root := imgtest.Root(t)
	scripts := t.TempDir()
	shown := map[string][]example{}
	var files []string
	for doc, least := range map[string]int{"README.md": 7, "docs/recovery.md": 20} {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		list := examples(string(text))
		if len(list) < least {
			t.Fatalf("%s: %d examples", doc, len(list))
		}
		name := strings.TrimSuffix(filepath.Base(doc), ".md")
		shown[name] = list
		files = append(files, writeScript(t, scripts, name, len(list)))
	}
	testscript.Run(t, testscript.Params{
		Files: files, ContinueOnError: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BCTL_STATE_DIR", filepath.Join(env.WorkDir, "state"))
			return os.Symlink(filepath.Join(root, "testdata"), filepath.Join(env.WorkDir, "testdata"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"example": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				e := shown[ts.Name()][n]
				if e.made() { // it may have been made in an example before
					ts.Check(os.RemoveAll(ts.MkAbs(strings.Fields(e.command)[2])))
				}
				_ = ts.Exec("sh", "-c", e.command) // its exit code is what it found
				got := ts.ReadFile("stdout")
				if rest := e.compare(got); rest != "" {
					ts.Fatalf("$ %s\nprints no line %q where there should be one; it prints\n%s%s", e.command, rest, got, ts.ReadFile("stderr"))
				}
			},
		},
	})
}

// writeScript writes a script of n examples.
func writeScript(t *testing.T, dir, name string, n int) string {
	t.Helper()
	var script strings.Builder
	for i := range n {
		fmt.Fprintf(&script, "example %d\n", i)
	}
	path := filepath.Join(dir, name+".txt")
	if err := os.WriteFile(path, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// made says whether a command makes a new image.
func (e example) made() bool { return strings.HasPrefix(e.command, "bctl generate ") }

// unpack is `zstd -d FROM -o TO`.
func unpack() {
	if len(os.Args) != 5 || os.Args[1] != "-d" || os.Args[3] != "-o" {
		os.Exit(2)
	}
	from, err := os.Open(os.Args[2])
	if err != nil {
		os.Exit(1)
	}
	d, err := zstd.NewReader(from)
	if err != nil {
		os.Exit(1)
	}
	to, err := os.Create(os.Args[4])
	if err != nil {
		os.Exit(1)
	}
	if _, err := io.Copy(to, d); err != nil || to.Close() != nil {
		os.Exit(1)
	}
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
