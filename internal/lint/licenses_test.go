// SPDX-License-Identifier: GPL-2.0-only

package lint

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write THIRD_PARTY anew")

// licenses are those that one may link to what is under version 2 of the GPL and no other, each with words that
// stand in its text alone, and then the others that modules for Go are often under. A text is under every license whose words
// it has.
var licenses = []struct {
	name    string
	allowed bool
	words   []string
}{
	{"BSD-3-Clause", true, []string{"redistribution and use in source and binary forms", "may be used to endorse or promote products"}},
	{"MIT", true, []string{"permission is hereby granted, free of charge", "to deal in the software without restriction"}},
	{"ISC", true, []string{"permission to use, copy, modify, and", "distribute this software for any purpose with or without fee is hereby granted"}},
	{"Apache-2.0", false, []string{"apache license"}},
	{"MPL-2.0", false, []string{"mozilla public license"}},
	{"CC", false, []string{"creative commons"}},
	{"GPL", false, []string{"gnu general public license"}},
	{"LGPL", false, []string{"gnu lesser general public license"}},
	{"EPL", false, []string{"eclipse public license"}},
	{"OFL-1.1", false, []string{"sil open font license"}},
	{"BSL", false, []string{"business source license"}},
}

// apart are folders of modules whose license, which the module's own file names too, is not that of the rest. They
// are not linked.
var apart = map[string]map[string]string{
	"github.com/klauspost/compress": {"gzhttp": "Apache-2.0"},
}

// architectures are those that a release has a binary for.
var architectures = []string{"amd64", "arm64", "riscv64", "s390x", "ppc64le"}

// classify says what a text is under.
func classify(text []byte) (names []string) {
	flat := strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(string(text), "\n>", "\n")), " "))
	for _, l := range licenses {
		if !slices.ContainsFunc(l.words, func(w string) bool { return !strings.Contains(flat, w) }) {
			names = append(names, l.name)
		}
	}
	if len(names) == 0 && strings.Contains(flat, licenses[0].words[0]) { // the same without its third clause
		names = []string{"BSD-2-Clause"}
	}
	return names
}

func allowed(name string) bool {
	return name == "BSD-2-Clause" || slices.ContainsFunc(licenses, func(l struct {
		name    string
		allowed bool
		words   []string
	},
	) bool {
		return l.name == name && l.allowed
	})
}

// A module is one that a build links, with the license files that lie beside its linked packages or above them.
type module struct {
	path, version, dir string
	packages           []string // below path
	files              []string // below dir
}

// linkedModules is every module of every build for every architecture.
func linkedModules(t *testing.T) []*module {
	t.Helper()
	byPath := map[string]*module{}
	for _, arch := range architectures {
		for _, tags := range []string{"", rescueTags} {
			cmd := exec.Command("go", "list", "-deps", "-tags", tags, "-f", "{{with .Module}}{{if not .Main}}{{$.ImportPath}}\t{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/bctl")
			cmd.Dir, cmd.Env = root, append(os.Environ(), "GOARCH="+arch, "GOOS=linux", "CGO_ENABLED=0")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(out)) {
				w := strings.Split(strings.TrimSpace(line), "\t")
				if len(w) != 4 {
					continue // of the standard library, or ours
				}
				m := byPath[w[1]]
				if m == nil {
					m = &module{path: w[1], version: w[2], dir: w[3]}
					byPath[w[1]] = m
				}
				m.add(t, strings.Trim(strings.TrimPrefix(w[0], w[1]), "/"))
			}
		}
	}
	var list []*module
	for _, m := range byPath {
		slices.Sort(m.files)
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	return list
}

var licenseFile = regexp.MustCompile(`(?i)^(li[cs]en[cs]es?|copying|notice)([-.].*)?$`)

// add notes a linked package and the license files from its folder up.
func (m *module) add(t *testing.T, pkg string) {
	if slices.Contains(m.packages, pkg) {
		return
	}
	m.packages = append(m.packages, pkg)
	for at := pkg; ; at = filepath.Dir(at) {
		entries, err := os.ReadDir(filepath.Join(m.dir, at))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := filepath.Join(at, e.Name())
			if licenseFile.MatchString(e.Name()) && !e.IsDir() && !slices.Contains(m.files, name) {
				m.files = append(m.files, name)
			}
		}
		if at == "" || at == "." {
			return
		}
	}
}

// judge returns the licenses of what is linked of m, and an error for each that must not be.
func (m *module) judge(t *testing.T) (names []string) {
	if len(m.files) == 0 {
		t.Errorf("%s: no license", m.path)
	}
	for _, file := range m.files {
		text, err := os.ReadFile(filepath.Join(m.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		found := classify(text)
		if len(found) == 0 {
			t.Errorf("%s: %s is no license that we know", m.path, file)
		}
		for _, name := range found {
			if !allowed(name) && !m.elsewhere(name) {
				t.Errorf("%s: %s is under %s, which cannot be linked to what is under GPL-2.0-only", m.path, file, name)
			} else if allowed(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// elsewhere reports whether a license is only that of folders that are not linked.
func (m *module) elsewhere(name string) bool {
	for dir, its := range apart[m.path] {
		linked := slices.ContainsFunc(m.packages, func(p string) bool { return p == dir || strings.HasPrefix(p, dir+"/") })
		if its == name && !linked {
			return true
		}
	}
	return false
}

const thirdParty = `What a binary of bctl is made of beside bctl itself, which is under GPL-2.0-only (LICENSE). This lists the modules that
any build links, for any architecture, with their licenses, and below them the notices that those ask to be passed on.
go test ./internal/lint -run ThirdParty -update writes it.

`

// THIRD_PARTY lists every linked module, and no license is among them that the GPL's version 2 does not go with.
func TestThirdParty(t *testing.T) {
	var list, texts bytes.Buffer
	list.WriteString(thirdParty)
	fmt.Fprintf(&list, "%-40s %-40s %s\n", "Go's standard library", "of the compiler", "BSD-3-Clause")
	for _, m := range linkedModules(t) {
		fmt.Fprintf(&list, "%-40s %-40s %s\n", m.path, m.version, strings.Join(m.judge(t), " AND "))
		for _, file := range m.files {
			text, err := os.ReadFile(filepath.Join(m.dir, file))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&texts, "\n%s\n%s/%s\n\n", strings.Repeat("-", 80), m.path, file)
			for line := range strings.Lines(string(text)) {
				texts.WriteString(strings.TrimRight(line, " \t\r\n") + "\n")
			}
		}
	}
	want := append(list.Bytes(), texts.Bytes()...)
	path := filepath.Join(root, "THIRD_PARTY")
	if *update {
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("THIRD_PARTY is not what is linked (%v): go test ./internal/lint -run ThirdParty -update", err)
	}
}

// What the words find, on the licenses that matter.
func TestClassify(t *testing.T) {
	for text, want := range map[string]string{
		"Permission is hereby granted, free of\n charge ... to deal in the Software without restriction":      "MIT",
		"Redistribution and use in source and\nbinary forms, ... may be used to\nendorse or promote products": "BSD-3-Clause",
		"> Redistribution and use in source\n> and binary forms":                                              "BSD-2-Clause",
		"Apache License\nVersion 2.0":      "Apache-2.0",
		"Creative Commons Attribution 4.0": "CC",
		"Permission is hereby granted, free of charge, to deal in the Software without restriction; files below x: Apache License": "MIT Apache-2.0",
		"All rights reserved.": "",
	} {
		if got := strings.Join(classify([]byte(text)), " "); got != want {
			t.Errorf("%.40q is under %q, want %q", text, got, want)
		}
	}
}
