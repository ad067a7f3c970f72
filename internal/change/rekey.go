// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"iter"
	"math/rand/v2"

	"bctl/internal/bcache/ondisk"
)

// rekeyFill is how full nodes are made: as the kernel leaves one that it has just split.
const rekeyFill = 75

// Rekey plans a new tree of keys, which come in order and are all that is to stay, of the live journal too: last_seq
// moves to the new entry. RewritePrios comes behind it. Errors: ErrNoSpace, those of keys and of btree.Builder.
func (t *Tx) Rekey(keys iter.Seq2[*ondisk.Bkey, error]) error {
	tree, err := t.Tree(rekeyFill, func() uint64 { return rand.Uint64() | 1 })
	if err != nil {
		return err
	}
	for k, err := range keys {
		if err == nil {
			err = tree.Add(k)
		}
		if err != nil {
			return err
		}
	}
	root, level, err := tree.Finish()
	if err != nil {
		return err
	}
	t.SetRoot(root, level)
	return t.Settle(0)
}
