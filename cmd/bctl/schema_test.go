// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/json"
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
			out[name] = append(out[name], v)
		}
		if got.Stdout == "" && !strings.Contains(got.Stderr, `{"error"`) {
			t.Errorf("%s: exit %d, nothing on stdout, said %q", line, got.Code, got.Stderr)
		}
	}
	return out
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

// TestDocsSchemas holds docs/schema to what the commands print: each has a schema, that is one of 2020-12, that names every
// member there is, and that what is printed fits. -update writes them anew.
func TestDocsSchemas(t *testing.T) {
	outputs := schemaOutputs(t)
	if *update {
		writeSchemas(t, outputs)
	}
	for _, name := range append(allCommandNames(), errorSchema) {
		if slices.Contains(schemaless, name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(schemaFolder, name+".json"))
		if err != nil || len(outputs[name]) == 0 {
			t.Errorf("%s: %d outputs, %v: give it lines in schemaRuns, and run `make docs`", name, len(outputs[name]), err)
			continue
		}
		schema := compileSchema(t, name, text)
		for _, v := range outputs[name] {
			if err := schema.Validate(v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := schema.Validate(map[string]any{"frobnicate": "x"}); err == nil {
			t.Errorf("docs/schema/%s.json fits everything", name)
		}
		committed := map[string]any{}
		if err := json.Unmarshal(text, &committed); err != nil {
			t.Fatal(err)
		}
		if missing := unknownMembers(committed, outputs[name]); len(missing) > 0 {
			t.Errorf("docs/schema/%s.json has no %v: run `make docs`", name, missing)
		}
	}
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
