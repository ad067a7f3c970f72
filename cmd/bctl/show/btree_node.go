// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

// showNode shows one node whole. What is wrong with it is said beside it.
func showNode(o btreeOptions, cache *inspect.Cache, io *app.IO) error {
	trouble := []string{}
	n := cache.Node(o.bucket, func(f finding.Finding) { trouble = append(trouble, f.Message) })
	if n == nil {
		return app.WithHint(fmt.Errorf("%s: no live btree node stands in bucket %d", o.device, o.bucket), "bctl show-btree %s lists the nodes", app.Quote(o.device))
	}
	if o.raw {
		return writeRawNode(io.Out, cache, n, trouble)
	}
	row := rowOf(cache, n)
	view := render.View[keyRow]{
		Head: []render.Field{
			{Key: "device", Value: o.device},
			{Key: "node", Value: row, Name: "Node", Text: nodeText(row)},
			{Key: "complete", Value: n.Whole, Name: app.OptionalName("Complete", !n.Whole), Text: "no: not all of the node could be read"},
			{Key: "trouble", Value: trouble, Name: app.OptionalName("Trouble", len(trouble) > 0), Text: strings.Join(trouble, "; ")},
			{Key: "sets", Value: setsOf(n)},
		},
		Key:     "keys",
		Rows:    keyRows(n),
		Columns: keyColumns,
	}
	return render.Write(io.Out, io.Format, limited(view, o.limit, io))
}

func nodeText(r nodeRow) string {
	return fmt.Sprintf("level %d, bucket %d gen %d, seq %s, %d bsets, %d keys, %d%% full, up to %s", r.Level, r.Bucket, r.Gen, r.Seq, r.Bsets, r.Keys, r.Fill, r.UpTo)
}

// A setView is a bset's header as JSON has it.
type setView struct {
	Bset    int           `json:"bset"`
	Sector  ondisk.Sector `json:"sector"` // in the node
	Csum    string        `json:"csum"`
	Seq     string        `json:"seq"`
	Version uint32        `json:"version"`
	Words   uint32        `json:"words"` // of keys
	Keys    int           `json:"keys"`
}

func setsOf(n *btree.Node) []setView {
	list := []setView{}
	for i := range n.Sets {
		s := &n.Sets[i]
		list = append(list, setView{i, s.Sector, hex64(s.Csum), hex64(s.Seq), s.Version, s.Keys, s.Count})
	}
	return list
}

// A keyRow is one key of a bset, dead or alive.
type keyRow struct {
	Bset  int           `json:"bset"`
	N     int           `json:"n"` // in its bset
	Key   string        `json:"key"`
	Inode uint32        `json:"inode"`
	End   ondisk.Sector `json:"end_sector"` // KEY_OFFSET
	Size  ondisk.Sector `json:"sectors"`
	Dirty bool          `json:"dirty"`
	Ptrs  []ptrView     `json:"pointers"`
}

type ptrView struct {
	Dev    uint64        `json:"dev"`
	Sector ondisk.Sector `json:"sector"`
	Gen    uint8         `json:"gen"`
}

func keyRows(n *btree.Node) func(yield func(keyRow, error) bool) {
	return func(yield func(keyRow, error) bool) {
		at, set := 0, 0
		for i, k := range n.All() {
			if i != set {
				at, set = 0, i
			}
			if !yield(keyRowOf(i, at, k), nil) {
				return
			}
			at++
		}
	}
}

func keyRowOf(set, at int, k *ondisk.Bkey) keyRow {
	row := keyRow{set, at, k.String(), k.Inode(), k.Offset(), k.Size(), k.Dirty(), []ptrView{}}
	for _, p := range k.Ptr[:k.Ptrs()] {
		row.Ptrs = append(row.Ptrs, ptrView{p.Dev(), p.Offset(), p.Gen()})
	}
	return row
}

var keyColumns = []render.Column[keyRow]{
	{Name: "bset", Num: true, Int: func(r keyRow) uint64 { return uint64(r.Bset) }},
	{Name: "n", Num: true, Int: func(r keyRow) uint64 { return uint64(r.N) }},
	{Name: "key", Cell: func(r keyRow) string { return r.Key }},
	{Name: "inode", Raw: func(r keyRow) string { return fmt.Sprint(r.Inode) }},
	{Name: "end_sector", Raw: func(r keyRow) string { return fmt.Sprint(uint64(r.End)) }},
	{Name: "sectors", Raw: func(r keyRow) string { return fmt.Sprint(uint64(r.Size)) }},
	{Name: "dirty", Raw: func(r keyRow) string { return fmt.Sprint(r.Dirty) }},
}

// writeRawNode dumps each bset that could be read: its header's words, then the words of a key a line.
func writeRawNode(w io.Writer, cache *inspect.Cache, n *btree.Node, trouble []string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	row := rowOf(cache, n)
	_, sector := n.Place(&cache.Geo)
	fmt.Fprintf(out, "node %s\n", nodeText(row))
	for i := range n.Sets {
		s, b := &n.Sets[i], n.Bytes(i)
		fmt.Fprintf(out, "\nbset %d, block %d of the node, byte %d of the device\n", i, s.Sector/cache.Geo.BlockSectors, (sector + s.Sector).Bytes())
		for _, f := range []struct {
			at, n int
			means string
		}{
			{0, 8, "csum " + hex64(s.Csum)},
			{8, 8, "magic " + hex64(s.Magic)},
			{16, 8, "seq " + hex64(s.Seq)},
			{24, 4, fmt.Sprintf("version %d", s.Version)},
			{28, 4, fmt.Sprintf("keys %d words", s.Keys)},
		} {
			fmt.Fprintf(out, "%06x  %x  %s\n", f.at, b[f.at:f.at+f.n], f.means)
		}
		writeRawKeys(out, b)
	}
	for _, t := range trouble {
		fmt.Fprintf(out, "\nnot read: %s\n", app.OneLine(t))
	}
	return out.Flush()
}

// writeRawKeys dumps the keys of a whole bset, 64-bit words as the kernel has them. What is no key is left out: it was
// reported.
func writeRawKeys(out io.Writer, b []byte) {
	for at := ondisk.BsetBytes; at < len(b); {
		k, size, err := ondisk.DecodeKey(b[at:])
		if err != nil {
			fmt.Fprintf(out, "%06x  %x  no key: %v\n", at, b[at:], err)
			return
		}
		var words []string
		for i := at; i < at+size; i += 8 {
			words = append(words, fmt.Sprintf("%016x", binary.LittleEndian.Uint64(b[i:])))
		}
		fmt.Fprintf(out, "%06x  %-50s  %s\n", at, strings.Join(words, " "), k.String())
		at += size
	}
}
