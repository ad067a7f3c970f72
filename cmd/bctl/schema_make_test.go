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

	"bctl/internal/lab/imgtest"
)

// A shape is what was seen of a value: of which types it was, its members, and how often it was an object.
type shape struct {
	types   map[string]bool
	objects int
	members map[string]*shape
	present map[string]int
	items   *shape
}

// see adds a value.
func (s *shape) see(v any) {
	if s.types == nil {
		s.types, s.members, s.present = map[string]bool{}, map[string]*shape{}, map[string]int{}
	}
	switch v := v.(type) {
	case nil:
		s.types["null"] = true
	case bool:
		s.types["boolean"] = true
	case string:
		s.types["string"] = true
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

// declared are names of members that the sources say more of than a few outputs: fractions, which may happen to be whole,
// and those that may be left out.
type declared struct{ fraction, optional map[string]bool }

var (
	fractionTag = regexp.MustCompile("\\bfloat64\\s+`json:\"([a-z0-9_]+)")
	optionalTag = regexp.MustCompile("`json:\"([a-z0-9_]+),omit(?:empty|zero)")
	memberName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

func readDeclared(t *testing.T) *declared {
	t.Helper()
	d := &declared{map[string]bool{}, map[string]bool{}}
	for _, folder := range []string{"cmd", "fsck", "internal", "alloc", "inspect"} {
		err := filepath.WalkDir(filepath.Join(imgtest.Root(t), folder), func(path string, e os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range fractionTag.FindAllSubmatch(text, -1) {
				d.fraction[string(m[1])] = true
			}
			for _, m := range optionalTag.FindAllSubmatch(text, -1) {
				d.optional[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// schema is the shape as JSON Schema. What is not known is null wherever it stands, but in the version and in codes.
func (s *shape) schema(name string, d *declared) map[string]any {
	out := map[string]any{}
	types := slices.Sorted(maps.Keys(s.types))
	if d.fraction[name] && slices.Contains(types, "integer") {
		types = append(slices.DeleteFunc(types, func(x string) bool { return x == "integer" }), "number")
	}
	if slices.Contains(types, "number") {
		types = slices.DeleteFunc(types, func(x string) bool { return x == "integer" })
	}
	if only := len(types) == 1 && types[0] == "null"; only || len(types) == 0 {
		return out // nothing is known of it
	}
	if !slices.Contains([]string{"", "format_version", "code", "message", "severity", "exit"}, name) {
		types = append(types, "null")
	}
	slices.Sort(types)
	if types = slices.Compact(types); len(types) == 1 {
		out["type"] = types[0]
	} else {
		out["type"] = types
	}
	if s.items != nil {
		out["items"] = s.items.schema("", d)
	}
	if s.objects == 0 {
		return out
	}
	properties, required := map[string]any{}, []string{}
	for _, key := range slices.Sorted(maps.Keys(s.members)) {
		if !memberName.MatchString(key) { // names are data here
			rest := &shape{}
			for _, m := range s.members {
				rest.merge(m)
			}
			out["additionalProperties"] = rest.schema("value", d)
			return out
		}
		properties[key] = s.members[key].schema(key, d)
		if s.present[key] == s.objects && !d.optional[key] {
			required = append(required, key)
		}
	}
	out["properties"] = properties
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// merge adds what another shape saw.
func (s *shape) merge(o *shape) {
	if s.types == nil {
		s.types, s.members, s.present = map[string]bool{}, map[string]*shape{}, map[string]int{}
	}
	maps.Copy(s.types, o.types)
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
		var s shape
		for _, v := range values {
			s.see(v)
		}
		schema := s.schema("", d)
		schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		schema["$id"] = schemaID + name + ".json"
		schema["title"] = "bctl " + name + " --json"
		if name == errorSchema {
			schema["title"] = "an error of bctl with --json, on standard error"
		}
		schema["description"] = "What is not known is null. Members may be added; format_version changes where one changes its meaning."
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
}

// unknownMembers are the members of values that a schema does not name.
func unknownMembers(schema map[string]any, values []any) (missing []string) {
	var walk func(schema map[string]any, v any)
	walk = func(schema map[string]any, v any) {
		switch v := v.(type) {
		case []any:
			items, ok := schema["items"].(map[string]any)
			for _, item := range v {
				if ok {
					walk(items, item)
				}
			}
		case map[string]any:
			properties, ok := schema["properties"].(map[string]any)
			for key, value := range v {
				p, named := properties[key].(map[string]any)
				if ok && !named && !slices.Contains(missing, key) {
					missing = append(missing, key)
				}
				if named {
					walk(p, value)
				}
			}
		}
	}
	for _, v := range values {
		walk(schema, v)
	}
	return missing
}
