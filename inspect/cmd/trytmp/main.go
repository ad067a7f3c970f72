package main

import (
	"context"
	"fmt"
	"os"

	"bctl/inspect"
	"bctl/internal/finding"
	"bctl/superblock"
)

func main() {
	for _, p := range os.Args[1:] {
		f, _ := os.Open(p)
		st, _ := f.Stat()
		s, err := superblock.Read(f)
		if err != nil {
			fmt.Println(p, err)
			continue
		}
		var col finding.Collector
		c, err := inspect.Open(context.Background(), f, s, inspect.Options{Size: st.Size(), Sink: col.Add})
		if err != nil {
			fmt.Println(p, err)
			continue
		}
		fmt.Println(p, "depth", c.Tree.Depth, "nodes", c.Tree.Nodes)
		for _, f := range col.Findings() {
			fmt.Println("  ", f.Code, f.Severity, f.Message)
		}
		for _, v := range c.Volumes {
			fmt.Println("   vol", v.Inode, v.LiveSectors, v.DirtySectors, "dirtyMiB", float64(v.DirtySectors)/2048, "ext", v.Extents, "stale", v.Stale, v.StaleDirty)
		}
		if c.Journal != nil && c.Journal.Newest != nil {
			fmt.Println("   journal", c.Journal.Newest.Seq, c.Journal.Newest.LastSeq, len(c.Journal.Live), len(c.Journal.Entries), "prio", c.Chain.Links[0].Bucket)
		}
		var n [4]int
		for b := range c.Buckets.Len() {
			n[c.Buckets.Mark(b)]++
		}
		fmt.Println("   marks", n)
	}
}
