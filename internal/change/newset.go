// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"fmt"

	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/plan"
)

// NewSet turns s, a cache's superblock as it is formatted, into a registered one and plans everything the kernel
// would make at the first registration: prio chain, uuid bucket with the given volumes in its first slots, an empty
// root, and the first journal entry. They stand in the first buckets behind the journal, with gens of 0. The caller
// writes s last, when the plan is carried out: until then the device is none of bcache's. now is in seconds since
// 1970; seq is the root's random, non-zero sequence number. Errors: ErrEncode, ErrNoSpace, uuids.ErrTooMany, those of
// NewGeometry.
func NewSet(s *ondisk.Super, volumes []ondisk.UUIDEntry, now uint32, seq uint64) (*plan.Plan, error) {
	newset.Register(s, now)
	var puts []plan.Write
	n, err := newset.New(s, 0, func(w plan.Write) error { puts = append(puts, w); return nil })
	if err != nil {
		return nil, err
	}
	if left, need := int(n.Left())-1, n.Geo.LargestReserve(); left < need { // the root takes one
		return nil, fmt.Errorf("%w: %d would be left, the kernel needs %d to start", ErrNoSpace, left, need)
	}
	tree, err := n.Tree(0, 0, func() uint64 { return seq })
	if err != nil {
		return nil, err
	}
	root, level, err := tree.Finish()
	if err != nil {
		return nil, err
	}
	entry, err := n.Finish(newset.Contents{Volumes: volumes, Root: root, Level: level})
	if err != nil {
		return nil, err
	}
	p := new(plan.Plan)
	p.Then(puts...)
	p.Then(entry)
	return p, nil
}
