// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"errors"
	"fmt"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
)

// ErrOldKeys says that last_seq would move on over keys that stand nowhere else.
var ErrOldKeys = errors.New("live journal keys would be lost")

// Put plans a bucket that Allocate gave. Errors: the spool's.
func (t *Tx) Put(b ondisk.Bucket, data []byte, what string) error { return t.put(b, data, what) }

// PutData plans user data in such a bucket, from a sector of it on. They are durable before a node leads to them: a run
// that is cut short may leave the nodes for the next one to find. Errors: the spool's.
func (t *Tx) PutData(b ondisk.Bucket, from ondisk.Sector, data []byte, what string) error {
	w, err := t.spool.Put(plan.Write{Off: (t.g.Start(b) + from).Bytes(), Data: data, What: fmt.Sprintf("%s, bucket %d", what, b)})
	t.data = append(t.data, w)
	return err
}

// SetUUIDs plans a new uuid bucket, to which the entry will lead. RewritePrios comes behind it: the chain must tell the
// bucket's gen. Errors: ErrNoSpace, uuids.ErrTooMany, ErrEncode.
func (t *Tx) SetUUIDs(table uuids.Table) error {
	data, err := table.Encode(&t.g)
	if err != nil {
		return err
	}
	got, err := t.Allocate(1)
	if err != nil {
		return err
	}
	if err := t.put(got[0], data, "uuids"); err != nil {
		return err
	}
	t.leave(&t.entry.UUIDBucket.Bkey)
	k := ondisk.MakeKey(0, 0, t.g.MetaSectors)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(t.gens[got[0]], t.g.Start(got[0]), uint64(t.g.ThisDev))
	t.entry.UUIDBucket.Bkey = k
	t.entry.Version = 1 // of the slots' form
	return nil
}

// Tree starts a new tree in free buckets, of any depth, filled to fill percent. Its root, when it is finished, is for
// SetRoot; RewritePrios comes behind that. seq gives the nodes' random, non-zero sequence numbers.
func (t *Tx) Tree(fill int, seq func() uint64) (*btree.Builder, error) {
	return btree.NewBuilder(btree.Build{
		Geo: &t.g, Fill: fill, Seq: seq,
		Alloc: func(int) (ondisk.Bucket, uint8, error) {
			got, err := t.Allocate(1)
			if err != nil {
				return 0, 0, err
			}
			return got[0], t.gens[got[0]], nil
		},
		Put: func(b ondisk.Bucket, level int, node []byte) error {
			return t.put(b, node, fmt.Sprintf("btree node of level %d", level))
		},
	})
}

// SetRoot leads the entry to another tree. The nodes of the old one are free afterwards, but those that it keeps.
func (t *Tx) SetRoot(root ondisk.Bkey, level int) {
	for _, k := range t.c.NodeKeys() {
		if !t.keeps(&k) {
			t.leave(&k)
		}
	}
	t.entry.BtreeRoot.Bkey, t.entry.Level = root, uint16(level)
}

// leave counts the bucket of old metadata, which the new entry no longer leads to, among those that are free afterwards.
func (t *Tx) leave(k *ondisk.Bkey) {
	if b := t.g.BucketOf(k.Ptr[0].Offset()); k.Ptrs() > 0 && b < t.g.NBuckets {
		t.given.add(b, t.g.NBuckets)
	}
}

// SetKeys are the entry's keys: they are replayed, last of all.
func (t *Tx) SetKeys(keys []ondisk.Bkey) { t.entry.Keys = keys }

// Settle lets last_seq move to the entry itself: every key of the live journal must be in the new tree, or among the
// entry's own keys. seq is a number above all that the ring holds, valid or not, where entries that the kernel does not
// find have higher ones than its newest; 0 leaves the next number. Errors: ErrOldKeys where the tree stays the old one
// and live entries have keys.
func (t *Tx) Settle(seq uint64) error {
	if t.entry.BtreeRoot == t.c.Journal.Newest.BtreeRoot && len(t.entry.Keys) == 0 {
		for _, e := range t.c.Journal.Live {
			if e.Bytes > ondisk.JsetBytes {
				return fmt.Errorf("%w: those of entry %d", ErrOldKeys, e.Seq)
			}
		}
	}
	t.entry.Seq = max(t.entry.Seq, seq)
	t.entry.LastSeq = t.entry.Seq
	return nil
}

// SetSuper is the superblock as it shall be, written when the entry is durable. Its checksum is made here.
func (t *Tx) SetSuper(s *ondisk.Super) {
	own := *s
	own.Csum = own.Checksum()
	t.super = &own
}
