// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/csv"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// formatsOf are command lines whose JSON and CSV scripts read, DEVICE aside.
var formatsOf = []string{"show-super", "fsck", "show-buckets", "show-buckets --summary"}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// JSON is one object that begins with the version, with keys in snake_case.
func TestJSON(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		img := imgtest.Open(t, name)
		for _, cmd := range formatsOf {
			got := bctl(append(strings.Fields(cmd), "--json", img.Cache)...)
			if got.Code != 0 || got.Stderr != "" {
				t.Errorf("%s: %s: exit %d, said %q", name, cmd, got.Code, got.Stderr)
			}
			dec := json.NewDecoder(strings.NewReader(got.Stdout))
			for _, want := range []json.Token{json.Delim('{'), "format_version", float64(1)} {
				if tok, err := dec.Token(); err != nil || tok != want {
					t.Fatalf("%s: %s: begins with %v (%v), want %v", name, cmd, tok, err, want)
				}
			}
			var object map[string]any
			if err := json.Unmarshal([]byte(got.Stdout), &object); err != nil {
				t.Errorf("%s: %s: %v", name, cmd, err)
			}
			checkKeys(t, name+": "+cmd, object)
		}
	}
}

// checkKeys looks at the keys of all objects in x.
func checkKeys(t *testing.T, where string, x any) {
	t.Helper()
	switch x := x.(type) {
	case map[string]any:
		for key, value := range x {
			if !snakeCase.MatchString(key) {
				t.Errorf("%s: key %q", where, key)
			}
			checkKeys(t, where+" "+key, value)
		}
	case []any:
		for _, value := range x {
			checkKeys(t, where, value)
		}
	}
}

// CSV has a header of distinct names, and lines of its length.
func TestCSV(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	for _, cmd := range formatsOf {
		got := bctl(append(strings.Fields(cmd), "--format=csv", img.Cache)...)
		lines, err := csv.NewReader(strings.NewReader(got.Stdout)).ReadAll()
		if got.Code != 0 || err != nil || len(lines) == 0 {
			t.Errorf("%s: exit %d, %v", cmd, got.Code, err)
			continue
		}
		names := slices.Clone(lines[0])
		slices.Sort(names)
		if len(slices.Compact(names)) != len(lines[0]) {
			t.Errorf("%s: header %q", cmd, lines[0])
		}
		for _, name := range names {
			if !snakeCase.MatchString(name) {
				t.Errorf("%s: column %q", cmd, name)
			}
		}
	}
}

// Tables carry no colours to a file, whatever NO_COLOR says, and have no lines that end in blanks.
func TestTables(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	img := imgtest.Open(t, "writeback-dirty")
	for _, cmd := range append(formatsOf, "show-buckets --map") {
		got := bctl(append(strings.Fields(cmd), img.Cache)...)
		if strings.Contains(got.Stdout, "\x1b") || strings.Contains(got.Stdout, " \n") || !strings.HasSuffix(got.Stdout, "\n") {
			t.Errorf("%s: colours, blanks or half a line in\n%q", cmd, got.Stdout)
		}
	}
}
