// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"errors"
	"fmt"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
	"bctl/prio"
	"bctl/superblock"
)

// NewSet turns s, a cache's superblock as it is formatted, into a registered one and plans everything the kernel
// would make at the first registration: prio chain, uuid bucket with the given volumes in its first slots, an empty
// root, and the first journal entry. They stand in the first buckets behind the journal, with gens of 0. The caller
// writes s last, when the plan is carried out: until then the device is none of bcache's. now is in seconds since
// 1970; seq is the root's random, non-zero sequence number. Errors: ErrEncode, ErrNoSpace,
// uuids.ErrTooMany, those of NewGeometry.
func NewSet(s *ondisk.Super, volumes []ondisk.UUIDEntry, now uint32, seq uint64) (*plan.Plan, error) {
	registered(s, now)
	g, err := superblock.NewGeometry(s)
	if err != nil {
		return nil, err
	}
	n := newSet{g: g, next: g.FirstBucket + ondisk.Bucket(g.NJournal), prios: map[ondisk.Bucket]bool{}}
	if need := g.PrioBuckets() + 2 + g.LargestReserve(); uint64(n.next)+uint64(need) > uint64(g.NBuckets) {
		return nil, fmt.Errorf("%w: %d buckets, %d are needed behind the journal", ErrNoSpace, g.NBuckets, need)
	}
	chain := n.take(g.PrioBuckets())
	slots, root := n.take(1)[0], n.take(1)[0]
	if err := errors.Join(n.prioChain(chain), n.uuids(slots, volumes), n.root(root, seq)); err != nil {
		return nil, err
	}
	p := new(plan.Plan)
	p.Then(n.puts...)
	entry, err := n.journal(chain[0], slots, root)
	if err != nil {
		return nil, err
	}
	p.Then(entry)
	return p, nil
}

// registered is what the kernel changes in a superblock at the first registration.
func registered(s *ondisk.Super, now uint32) {
	s.Version = max(s.Version, ondisk.VersionCacheUUID)
	s.Seq++
	s.LastMount = now
	superblock.SetJournal(s)
	s.SetSync(true)
	s.Csum = s.Checksum()
}

// newSet is an empty set in the making.
type newSet struct {
	g     superblock.Geometry
	next  ondisk.Bucket
	prios map[ondisk.Bucket]bool // the metadata buckets, whose prio is the highest
	puts  []plan.Write
}

func (n *newSet) take(count int) (got []ondisk.Bucket) {
	for range count {
		n.prios[n.next] = true
		got = append(got, n.next)
		n.next++
	}
	return got
}

func (n *newSet) put(b ondisk.Bucket, data []byte, what string) {
	n.puts = append(n.puts, plan.Write{Off: n.g.Start(b).Bytes(), Data: data, What: fmt.Sprintf("%s, bucket %d", what, b)})
}

// prioChain writes the last set first, as bch_prio_write does. Behind the tail of the first chain there is none.
func (n *newSet) prioChain(buckets []ondisk.Bucket) error {
	next := uint64(0)
	for i := len(buckets) - 1; i >= 0; i-- {
		b, err := prio.Encode(&n.g, i, 1, next, func(b ondisk.Bucket) (e ondisk.PrioEntry) {
			if n.prios[b] {
				e.Prio = ondisk.BtreePrio
			}
			return e
		})
		if err != nil {
			return err
		}
		n.put(buckets[i], b, fmt.Sprintf("prio set %d", i))
		next = uint64(buckets[i])
	}
	return nil
}

func (n *newSet) uuids(b ondisk.Bucket, volumes []ondisk.UUIDEntry) error {
	data, err := uuids.Table(volumes).Encode(&n.g)
	if err != nil {
		return err
	}
	n.put(b, data, "uuids")
	return nil
}

// pointer is the key of a metadata bucket: one pointer, gen 0.
func (n *newSet) pointer(b ondisk.Bucket, k ondisk.Bkey, size ondisk.Sector) ondisk.Bkey {
	k.SetSize(size)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(0, n.g.Start(b), uint64(n.g.ThisDev))
	return k
}

func (n *newSet) rootKey(b ondisk.Bucket) ondisk.Bkey {
	return n.pointer(b, ondisk.MaxKey, n.g.NodeSectors)
}

// root is an empty leaf: one bset without keys.
func (n *newSet) root(b ondisk.Bucket, seq uint64) error {
	key := n.rootKey(b)
	set := ondisk.Bset{BsetHeader: ondisk.BsetHeader{Seq: seq, Version: ondisk.BsetVersion}}
	data, err := set.Sealed(n.g.SetMagic, key.Ptr[0])
	if err != nil {
		return fmt.Errorf("btree root: %w", err)
	}
	n.put(b, n.g.Pad(data), "btree root")
	return nil
}

func (n *newSet) journal(prio, uuids, root ondisk.Bucket) (plan.Write, error) {
	j := ondisk.Jset{Seq: 1, LastSeq: 1, Version: 1}
	j.UUIDBucket.Bkey = n.pointer(uuids, ondisk.MakeKey(0, 0, 0), n.g.MetaSectors)
	j.BtreeRoot.Bkey = n.rootKey(root)
	j.PrioBucket[n.g.ThisDev] = uint64(prio)
	data, err := sealJset(&n.g, &j)
	return plan.Write{Off: n.g.Start(n.g.FirstBucket).Bytes(), Data: data, What: "journal entry 1"}, err
}
