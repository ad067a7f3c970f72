// SPDX-License-Identifier: GPL-2.0-only

// Command example writes the trace that docs/alloc.md works with: a fio iolog (version 3) of a server with a database
// and a nightly scan. It is the same bytes each time.
//
//	go run testdata/traces/example.go > example.log
//
// /dev/db, 8 GiB: 4 KiB requests, a third of them writes; the chance of a block falls with its rank, as 1/rank does.
// /dev/files, 4 GiB: half of it is read, from the beginning on, in requests of 64 KiB, one request in 32.
package main

import (
	"bufio"
	"fmt"
	"os"

	"bctl/alloc"
)

const (
	requests   = 1_000_000
	dbBlocks   = 1 << 21 // of 4 KiB
	filesBytes = 4 << 30
	scanBytes  = 64 << 10
)

func main() {
	w := bufio.NewWriter(os.Stdout)
	fmt.Fprint(w, "fio version 3 iolog\n0 /dev/db add\n0 /dev/files add\n0 /dev/db open\n0 /dev/files open\n")
	r := alloc.SplitMix64(1)
	us, scan := 0, 0
	for i := range requests {
		us += 20 + int(r.Next()%160)
		if i%32 == 31 {
			fmt.Fprintf(w, "%d /dev/files read %d %d\n", us, scan, scanBytes)
			scan = (scan + scanBytes) % filesBytes
			continue
		}
		op := "read"
		if r.Next()%3 == 0 {
			op = "write"
		}
		rank := r.Next() % (1 << (r.Next() % 22)) // every power of two of ranks is as likely as the next
		block := rank * 0x9e3779b1 % dbBlocks     // the popular ones lie scattered
		fmt.Fprintf(w, "%d /dev/db %s %d %d\n", us, op, block*4096, 4096)
	}
	fmt.Fprintf(w, "%d /dev/db close\n%d /dev/files close\n", us, us)
	w.Flush()
}
