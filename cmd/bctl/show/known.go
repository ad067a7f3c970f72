// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"fmt"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
)

// A hole is a run of keys of which nothing is known: the sectors of volumes behind one position, up to another.
type hole struct {
	FromInode  uint32         `json:"from_inode"`
	FromSector ondisk.Sector  `json:"from_sector"`
	ToInode    *uint32        `json:"to_inode"`  // nil: up to the last volume there can be
	ToSector   *ondisk.Sector `json:"to_sector"` // nil: up to the volume's end
}

// knownFields say whether what is shown is all there is, and of which keys in r nothing is known.
func knownFields(cache *inspect.Cache, complete bool, r inspect.Range) []render.Field {
	holes := []hole{}
	for _, h := range cache.Holes(r) {
		to := hole{FromInode: h.From.Inode, FromSector: h.From.Offset}
		if h.To.Inode < ondisk.MaxInode {
			to.ToInode = &h.To.Inode
		}
		if h.To.Offset < ondisk.MaxKeyOffset {
			to.ToSector = &h.To.Offset
		}
		holes = append(holes, to)
	}
	k := cache.Known()
	text := "no: not all of the cache could be read"
	if len(holes) > 0 {
		text += "; of the keys behind " + cache.Holes(r)[0].From.String() + " on, or some of them, nothing is known"
	}
	return []render.Field{
		{Key: "complete", Value: complete, Name: app.OptionalName("Complete", !complete), Text: text},
		{Key: "known", Value: map[string]bool{"journal": k.Journal, "tree": k.Tree, "gens": k.Gens, "names": k.Names}},
		{Key: "unknown", Value: holes, Name: app.OptionalName("Unknown", len(holes) > 0), Text: fmt.Sprintf("%d ranges of keys", len(holes))},
	}
}
