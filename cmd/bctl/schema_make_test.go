// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bctl/inspect"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
)

// A shape is what was seen of a value: of which types it was, its members, and how often it was an object.
type shape struct {
	types   map[string]bool
	said    map[string]bool // what strings were
	objects int
	members map[string]*shape
	present map[string]int
	items   *shape
}

// see adds a value.
func (s *shape) see(v any) {
	if s.types == nil {
		s.types, s.said, s.members, s.present = map[string]bool{}, map[string]bool{}, map[string]*shape{}, map[string]int{}
	}
	switch v := v.(type) {
	case nil:
		s.types["null"] = true
	case bool:
		s.types["boolean"] = true
	case string:
		s.types["string"] = true
		if len(s.said) < 1000 {
			s.said[v] = true
		}
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			s.types["number"] = true
		} else {
			s.types["integer"] = true
		}
	case []any:
		s.types["array"] = true
		if s.items == nil {
			s.items = &shape{}
		}
		for _, item := range v {
			s.items.see(item)
		}
	case map[string]any:
		s.types["object"] = true
		s.objects++
		for key, value := range v {
			if s.members[key] == nil {
				s.members[key] = &shape{}
			}
			s.members[key].see(value)
			s.present[key]++
		}
	}
}

// declared are names of members that the sources say more of than outputs can: fractions, which may happen to be whole,
// those that may be left out, and those that may be unknown.
type declared struct{ fraction, optional, maybe map[string]bool }

var (
	fractionTag = regexp.MustCompile("\\bfloat64\\]?\\s+`json:\"([a-z0-9_]+)")
	optionalTag = regexp.MustCompile("`json:\"([a-z0-9_]+),omit(?:empty|zero)")
	maybeTag    = regexp.MustCompile("(?:Maybe\\[[^`]*\\]|\\*[A-Za-z0-9_.]+)\\s+`json:\"([a-z0-9_]+)\"")
	maybeField  = regexp.MustCompile(`Key: "([a-z0-9_]+)", Value: (?:inspect\.If\(|nullIfEmpty|maybe)`)
	memberName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

func readDeclared(t *testing.T) *declared {
	t.Helper()
	d := &declared{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, folder := range []string{"cmd", "fsck", "internal", "alloc", "inspect"} {
		err := filepath.WalkDir(filepath.Join(imgtest.Root(t), folder), func(path string, e os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for tag, to := range map[*regexp.Regexp]map[string]bool{fractionTag: d.fraction, optionalTag: d.optional, maybeTag: d.maybe, maybeField: d.maybe} {
				for _, m := range tag.FindAllSubmatch(text, -1) {
					to[string(m[1])] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// words are what members with few values may say, by their names: from the tables that the program runs on.
func words(t *testing.T, command string) map[string][]string {
	var codes []string
	for _, family := range finding.Table() {
		for _, row := range family {
			codes = append(codes, string(row.Code))
		}
	}
	slices.Sort(codes)
	var kinds []string
	for _, s := range everySubject() {
		kinds = append(kinds, seenAs(t, s)["kind"].(string))
	}
	slices.Sort(kinds)
	all := map[string][]string{
		"severity": {string(finding.Damage), string(finding.Warning), string(finding.Note)}, "code": codes, "kind": kinds,
		"mark": inspect.Marks,
	}
	if command == errorSchema {
		all["code"] = []string{"usage", "damaged", "failed", "interrupted"}
	}
	return all
}

// schema is the shape as JSON Schema, strict: what was never null, and is not declared to be unknown at times, is not; an
// object has the members that are named and no others.
func (s *shape) schema(name string, d *declared, enums map[string][]string) map[string]any {
	out := map[string]any{}
	types := slices.Sorted(maps.Keys(s.types))
	if d.fraction[name] && slices.Contains(types, "integer") {
		types = append(slices.DeleteFunc(types, func(x string) bool { return x == "integer" }), "number")
	}
	if slices.Contains(types, "number") {
		types = slices.DeleteFunc(types, func(x string) bool { return x == "integer" })
	}
	if len(types) == 0 {
		return out // nothing is known of it
	}
	if d.maybe[name] {
		types = append(types, "null")
	}
	slices.Sort(types)
	types = slices.Compact(types)
	if words := enums[name]; words != nil && s.saidOnly(words) {
		list := []any{}
		for _, w := range words {
			list = append(list, w)
		}
		if slices.Contains(types, "null") {
			list = append(list, nil)
		}
		out["enum"] = list
	}
	if len(types) == 1 {
		out["type"] = types[0]
	} else {
		out["type"] = types
	}
	if s.items != nil {
		out["items"] = s.items.schema(strings.TrimSuffix(name, "s"), d, enums)
	}
	if s.objects > 0 {
		s.schemaObject(out, name == "", d, enums)
	}
	return out
}

// saidOnly says whether it was a string, and none but words.
func (s *shape) saidOnly(words []string) bool {
	for said := range s.said {
		if !slices.Contains(words, said) {
			return false
		}
	}
	return s.types["string"]
}

// schemaObject adds what is to be said of an object. The members of the outermost are fields, and not of structs: they are
// there always if they were.
func (s *shape) schemaObject(out map[string]any, outermost bool, d *declared, enums map[string][]string) {
	properties, required := map[string]any{}, []string{}
	for _, key := range slices.Sorted(maps.Keys(s.members)) {
		if !memberName.MatchString(key) { // names are data here
			rest := &shape{}
			for _, m := range s.members {
				rest.merge(m)
			}
			out["additionalProperties"] = rest.schema("value", d, enums)
			return
		}
		properties[key] = s.members[key].schema(key, d, enums)
		if s.present[key] == s.objects && (outermost || !d.optional[key]) {
			required = append(required, key)
		}
	}
	out["properties"], out["additionalProperties"] = properties, false
	if len(required) > 0 {
		out["required"] = required
	}
}

// merge adds what another shape saw.
func (s *shape) merge(o *shape) {
	if s.types == nil {
		s.types, s.said, s.members, s.present = map[string]bool{}, map[string]bool{}, map[string]*shape{}, map[string]int{}
	}
	maps.Copy(s.types, o.types)
	maps.Copy(s.said, o.said)
	s.objects += o.objects
	for key, m := range o.members {
		if s.members[key] == nil {
			s.members[key] = &shape{}
		}
		s.members[key].merge(m)
		s.present[key] += o.present[key]
	}
	if o.items != nil {
		if s.items == nil {
			s.items = &shape{}
		}
		s.items.merge(o.items)
	}
}

// writeSchemas writes docs/schema from what commands printed.
func writeSchemas(t *testing.T, outputs map[string][]any) {
	t.Helper()
	d := readDeclared(t)
	if err := os.MkdirAll(schemaFolder, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, values := range outputs {
		if strings.Contains(name, " ") { // what was seen
			continue
		}
		var s shape
		for _, v := range values {
			s.see(v)
		}
		if name == "fsck" {
			for _, subject := range everySubject() {
				s.members["findings"].items.members["subject"].see(seenAs(t, subject))
			}
		}
		schema := s.schema("", d, words(t, name))
		schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		schema["$id"] = schemaID + name + ".json"
		schema["title"] = "bctl " + name + " --json"
		if name == errorSchema {
			schema["title"] = "an error of bctl with --json, on standard error"
		}
		schema["description"] = "What is not known is null. A later version of bctl may add members, and its schema has them; format_version changes where one changes its meaning."
		writeSchema(t, name, schema)
	}
}

// freshWords has the words of members as the tables have them by now, and says whether they were.
func freshWords(schema any, enums map[string][]string) (fresh bool) {
	fresh = true
	switch v := schema.(type) {
	case []any:
		for _, item := range v {
			fresh = freshWords(item, enums) && fresh
		}
	case map[string]any:
		for _, inner := range v {
			fresh = freshWords(inner, enums) && fresh
		}
		properties, _ := v["properties"].(map[string]any)
		for name, words := range enums {
			member, _ := properties[name].(map[string]any)
			said, ok := member["enum"].([]any)
			if !ok {
				continue
			}
			want := []any{}
			for _, w := range words {
				want = append(want, w)
			}
			if slices.Contains(said, nil) {
				want = append(want, nil)
			}
			if !slices.Equal(said, want) {
				member["enum"], fresh = want, false
			}
		}
	}
	return fresh
}

// writeWords has the words of a schema as they are by now.
func writeWords(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join(schemaFolder, name+".json")
	text, err := os.ReadFile(path)
	var schema map[string]any
	if err != nil || json.Unmarshal(text, &schema) != nil {
		return // it is made anew
	}
	if !freshWords(schema, words(t, name)) {
		writeSchema(t, name, schema)
	}
}

// writeSchema writes one.
func writeSchema(t *testing.T, name string, schema map[string]any) {
	t.Helper()
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(schemaFolder, name+".json"), text.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}
