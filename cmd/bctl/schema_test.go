// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bctl/internal/lab/imgtest"
)

// schemas are where docs/schema lies, and what its files call themselves.
const (
	schemaFolder = "../../docs/schema"
	schemaID     = "https://bctl.invalid/schema/"
	errorSchema  = "error"
)

// schemaless are commands whose output is no JSON object: scripts, walks through other commands, and programs.
var schemaless = []string{"completion", "demo", "domain", "explore", "export", "help", "image", "mount", "report"}

// schemaRuns are command lines that print what each command has to say, with --json. CACHE, BACK, BACK1 are a set that
// crashed in the middle of writing; FLASH two volumes and a flash-only one, DETACHED a set after a detach, DAMAGED one with
// a broken prio set; DIR is a folder to write to.
var schemaRuns = []string{
	"hold CACHE", "hold CACHE BACK", "release CACHE", "generate DIR/made.img --extents 2000", "generate DIR/bad.img --extents 2000 --volumes 2 --damage PR01",
	"list CACHE BACK", "list FLASH DETACHED DAMAGED", "list BACK",
	"show-super CACHE", "show-super BACK", "show-super CACHE BACK", "show-super DAMAGEDSUPER",
	"format -n -C NEW -b 64k", "format -n -C NEW -B NEW1 -b 64k", "format -n --wipe-bcache --discard-dirty -B BACK", "format -C DIR/f.img -B DIR/g.img --size 64M --attach -b 64k",
	"show-buckets --bucket 0-99 CACHE", "show-buckets --summary FLASH", "show-buckets --summary DAMAGED", "show-buckets --mark dirty --limit 20 CACHE",
	"show-prios CACHE", "show-prios DAMAGED",
	"show-journal CACHE", "show-journal --keys CACHE", "show-journal --all CACHE", "show-journal --rewind CACHE",
	"fsck CACHE", "fsck CACHE BACK", "fsck BACK", "fsck --verify-data CACHE BACK", "fsck FLASH", "fsck DETACHED", "fsck DAMAGED", "fsck DAMAGED BACK",
	"fsck DAMAGEDROOT", "fsck DAMAGEDSUPER", "fsck -p --undo DIR/p.undo DAMAGED", "fsck -y --no-undo DAMAGEDROOT",
	"explain PR01", "explain nothing that is known", "explain bad csum reading priorities",
	"rewrite-prios -n CACHE", "rewrite-prios -n --from-btree DAMAGED2", "rewrite-prios --undo DIR/r.undo --from-btree DAMAGED2 BACK",
	"undo --list", "undo -n DIR/r.undo DAMAGED2", "undo DIR/r.undo DAMAGED2",
	"uuid list FLASH", "uuid list CACHE", "uuid purge -n --inode 0 --discard-dirty CACHE", "uuid list DETACHED",
	"super find CACHE", "super backup --file DIR/s.json CACHE BACK", "super restore --file DIR/s.json BACK", "super unwipe CACHE",
	"tune BACK", "tune BACK CACHE", "tune -n --label other BACK", "tune --no-undo --label other BACK",
	"detach -n FIFO FIFOBACK", "detach --no-undo FIFO FIFOBACK",
	"writeback CACHE BACK", "writeback --yes CRASH CRASHBACK",
	"show-uuids FLASH", "show-btree CACHE", "show-btree FLASH", "show-extents CACHE", "show-extents FLASH",
	"super find CACHE", "super find DAMAGEDSUPER", "check-pair CACHE BACK", "check-pair CACHE FLASH", "metadata-size --size 2T --bucket 512k --extents 1000000",
	"alloc-bench --buckets 1024 --ops 2000", "alloc-bench --buckets 1024 --ops 2000 --workload uniform", "alloc-bench --trace TRACE --cache-size 128M,256M --bucket 128k",
	"alloc-bench --trace TRACE --cache-size 128M --bucket 128k --policy all", "alloc-bench --trace TRACE --cache-size 128M --bucket 128k --interval 10 --seeds 2",
	"alloc-bench --trace TRACE --cache-size 256M --bucket 128k --sample 0.5", "alloc-bench --ops 2000 CACHE",
	"alloc-bench --commit --policy fifo --ops 100 FIFO",
	"metadata-size --cache-size 2T --bucket 512k",
	// errors
	"fsck DIR/missing", "fsck --frobnicate CACHE", "show-super TRACE", "fsk",
}

// schemaInputs are what the capitals of schemaRuns stand for.
func schemaInputs(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	crash := imgtest.Open(t, "writeback-crash")
	in := map[string]string{
		"DIR": dir, "CACHE": crash.Cache, "BACK": crash.Backing[0],
		"FLASH": imgtest.Open(t, "two-backing-flash").Cache, "DETACHED": imgtest.Open(t, "detached-crash").Cache,
		"TRACE": filepath.Join(imgtest.Root(t), "testdata", "traces", "fio-v2.log"),
	}
	again := imgtest.Open(t, "writeback-dirty")
	in["CRASH"], in["CRASHBACK"] = again.Cache, again.Backing[0]
	fifo := imgtest.Open(t, "fifo-full")
	in["FIFO"], in["FIFOBACK"] = fifo.Cache, fifo.Backing[0]
	for name, at := range map[string]int64{"DAMAGED": 116921224, "DAMAGED2": 116921224, "DAMAGEDSUPER": 4096 + 112} {
		img := imgtest.Open(t, "writeback-crash")
		img.Flip(at, 0)
		in[name] = img.Cache
	}
	img := imgtest.Open(t, "writeback-crash")
	var nodes struct {
		Nodes []struct{ Sector, Bucket int64 } `json:"nodes"`
	}
	_ = json.Unmarshal([]byte(bctl("show-btree", "--json", img.Cache).Stdout), &nodes)
	if len(nodes.Nodes) == 0 {
		t.Fatal("no nodes")
	}
	img.Flip(nodes.Nodes[0].Bucket*131072+40, 0)
	in["DAMAGEDROOT"] = img.Cache
	for _, name := range []string{"NEW", "NEW1"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 64<<20); err != nil {
			t.Fatal(err)
		}
		in[name] = path
	}
	return in
}

// schemaOutputs is what the command lines print, by the schema that it must fit.
func schemaOutputs(t *testing.T) map[string][]any {
	t.Helper()
	in := schemaInputs(t)
	out := map[string][]any{}
	for _, line := range append(schemaRuns, ofEachImage(t, in)...) {
		args := strings.Fields(line)
		if !slices.ContainsFunc(allCommandNames(), func(n string) bool { return n == args[0] }) && args[0] != "fsk" {
			continue
		}
		for i, a := range args {
			first, rest, _ := strings.Cut(a, "/")
			if value, ok := in[first]; ok {
				args[i] = filepath.Join(value, rest)
			}
		}
		addOutputs(t, out, line, args)
	}
	return out
}

// kindOf is what a schema could tell of a value.
func kindOf(name string, v any) string {
	var parts []string
	switch v := v.(type) {
	case string:
		if slices.Contains([]string{"code", "kind", "severity", "mark"}, name) {
			return "=" + v
		}
		return "string"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		for _, item := range v {
			parts = append(parts, kindOf(name, item))
		}
		slices.Sort(parts)
		return "[" + strings.Join(slices.Compact(parts), ",") + "]"
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+":"+kindOf(key, v[key]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return fmt.Sprintf("%T", v)
}

// addOutputs runs a line, and adds what it prints, if a schema could tell it from what was printed before.
func addOutputs(t *testing.T, out map[string][]any, line string, args []string) {
	t.Helper()
	got := bctl(append(args, "--json")...)
	for name, text := range map[string]string{args[0]: got.Stdout, errorSchema: got.Stderr} {
		at := strings.Index(text, "{")
		if at < 0 || name == errorSchema && !strings.HasPrefix(text[at:], `{"error"`) {
			continue
		}
		d := json.NewDecoder(strings.NewReader(text[at:]))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Errorf("%s: no JSON: %v\n%.300s", line, err, text)
			continue
		}
		if len(out[name]) < 100 || out[name+" "+kindOf("", v)] == nil {
			out[name] = append(out[name], v)
			out[name+" "+kindOf("", v)] = []any{}
		}
	}
	if got.Stdout == "" && !strings.Contains(got.Stderr, `{"error"`) {
		t.Errorf("%s: exit %d, nothing on stdout, said %q", line, got.Code, got.Stderr)
	}
}

// ofEachImage are what reads, on each image that there is.
func ofEachImage(t *testing.T, in map[string]string) (lines []string) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(imgtest.Root(t), "testdata", "images", "*", "cache.img.zst"))
	if err != nil || len(folders) < 5 {
		t.Fatalf("%d images, %v", len(folders), err)
	}
	for i, folder := range folders {
		img := imgtest.Open(t, filepath.Base(filepath.Dir(folder)))
		name := "IMAGE" + string(rune('A'+i))
		in[name] = img.Cache
		all := name
		for j, back := range img.Backing {
			key := name + string(rune('0'+j))
			in[key] = back
			all += " " + key
		}
		for _, command := range []string{
			"show-buckets --bucket 0-9", "show-buckets --summary", "show-prios", "show-journal --all", "show-uuids", "show-btree",
			"show-extents --limit 9", "uuid list",
		} {
			lines = append(lines, command+" "+name)
		}
		lines = append(lines, "list "+all, "fsck "+all, "show-super "+all)
	}
	return lines
}

func allCommandNames() (names []string) {
	for _, cmd := range allCommands() {
		names = append(names, cmd.Name)
	}
	return names
}

// TestDocsSchemas holds docs/schema to what the commands print: each has a schema, that is one of 2020-12, and that what is
// printed fits. Where something does not fit, -update makes them anew, from what commands print of every damage that
// there is: minutes. BCTL_SCHEMAS=1 has that, or without -update the check of it, in any case.
func TestDocsSchemas(t *testing.T) {
	outputs := schemaOutputs(t)
	for _, name := range append(allCommandNames(), errorSchema) {
		if *update {
			writeWords(t, name)
		}
	}
	wide := os.Getenv("BCTL_SCHEMAS") != ""
	if wide || *update && len(misfits(t, outputs)) > 0 {
		wideOutputs(t, outputs)
		if *update {
			writeSchemas(t, outputs)
		}
	}
	for _, misfit := range misfits(t, outputs) {
		t.Error(misfit)
	}
}

// misfits are what is wrong with the schemas, for what commands print.
func misfits(t *testing.T, outputs map[string][]any) (list []string) {
	t.Helper()
	for _, name := range append(allCommandNames(), errorSchema) {
		if slices.Contains(schemaless, name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(schemaFolder, name+".json"))
		if err != nil || len(outputs[name]) == 0 {
			list = append(list, fmt.Sprintf("%s: %d outputs, %v: give it lines in schemaRuns, and run `make docs`", name, len(outputs[name]), err))
			continue
		}
		schema := compileSchema(t, name, text)
		for _, v := range outputs[name] {
			if err := schema.Validate(v); err != nil {
				list = append(list, fmt.Sprintf("%s: %v", name, err))
				break
			}
		}
		list = append(list, tooWide(t, name, schema, outputs[name])...)
		var committed any
		if json.Unmarshal(text, &committed) != nil || !freshWords(committed, words(t, name)) {
			list = append(list, name+".json has not the words of today's tables: run `make docs`")
		}
	}
	return list
}

// tooWide are changes of an output that its schema does not see: a member that is not there, one too many, one of another
// kind.
func tooWide(t *testing.T, name string, schema *jsonschema.Schema, outputs []any) (list []string) {
	t.Helper()
	whole, ok := outputs[0].(map[string]any)
	if !ok {
		return []string{name + ": no object"}
	}
	for key := range whole {
		other := maps.Clone(whole)
		other[key] = map[string]any{"frobnicate": true}
		if schema.Validate(other) == nil {
			list = append(list, fmt.Sprintf("%s.json takes anything for %s", name, key))
		}
	}
	more := maps.Clone(whole)
	more["frobnicate"] = "x"
	less := maps.Clone(whole)
	delete(less, "format_version")
	delete(less, "error")
	for what, v := range map[string]any{"more": more, "less": less, "nothing": map[string]any{}} {
		if schema.Validate(v) == nil {
			list = append(list, fmt.Sprintf("%s.json takes %s", name, what))
		}
	}
	return list
}

func compileSchema(t *testing.T, name string, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(schemaID+name+".json", doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	schema, err := c.Compile(schemaID + name + ".json")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return schema
}
