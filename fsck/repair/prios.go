// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/superblock"
)

// What keeps a prio chain from being written anew.
var (
	ErrNeverRegistered = errors.New("never registered: it has no prio chain yet")
	ErrElsewhere       = errors.New("damaged elsewhere, so nothing was written")
	ErrUnknownGens     = errors.New("the prio chain is damaged, so some gens are unknown")
	ErrRisk            = errors.New("data would be lost, or come back")
	ErrNotProven       = errors.New("nothing was written: the device would be damaged after it")
)

// PrioSetting is what some buckets' gens and prios shall be; nil leaves them.
type PrioSetting struct {
	First, Last ondisk.Bucket
	Gen         *uint8
	Prio        *uint16
}

// PrioOptions say how the prio chain is written anew.
type PrioOptions struct {
	Sets      []PrioSetting
	FromBtree bool          // make unknown gens from the pointers
	Force     bool          // set gens whatever comes of it
	Backing   []fsck.Device // to compare dirty data with whose gens are unknown
	Spool     *change.Spool // may be nil
	Brief     bool          // without the lists of what changes, which at millions of buckets are large
}

// Prios is a new prio chain that was planned.
type Prios struct {
	Plan       *plan.Plan
	JournalSeq uint64
	PrioSeq    uint64
	Buckets    []ondisk.Bucket
	OldBuckets []ondisk.Bucket
	Changed    []inspect.PrioChange
	Gens       Gens            // what was made anew
	GivenUp    []ondisk.Bucket // clean buckets, for the kernel's reserve
}

// RiskError is the first of what a gen that was asked for would do.
type RiskError struct {
	Risk
	More int
}

func (e *RiskError) Error() string {
	what := fmt.Sprintf("bucket %d: %s", e.Bucket, e.Why)
	if e.Count > 0 {
		what += fmt.Sprintf(": volume %d, sector %d, %d sectors", e.Inode, e.Offset, e.Count)
	}
	if e.More > 0 {
		what += fmt.Sprintf(", and %d more", e.More)
	}
	return what
}

func (e *RiskError) Unwrap() error { return ErrRisk }

// PlanPrios plans a new prio chain for c, of which found was found. Where the cache is so full that the kernel would not
// find its reserve, FromBtree gives up clean buckets, those first that were longest unused.
// Errors: those above, change's, the context's.
func PlanPrios(c *inspect.Cache, found []finding.Finding, o PrioOptions) (*Prios, error) {
	if err := mayRewrite(c, found, o.FromBtree); err != nil {
		return nil, err
	}
	tx, err := change.Begin(c)
	if err != nil {
		return nil, err
	}
	tx.Spool(o.Spool)
	out := &Prios{JournalSeq: tx.Seq()}
	if o.FromBtree {
		gens, err := rebuildGens(tx, below(c, o.Backing), !o.Brief)
		if err != nil {
			return nil, err
		}
		out.Gens = *gens
	}
	if err := setPrios(tx, o); err != nil {
		return nil, err
	}
	if o.FromBtree {
		if out.GivenUp, err = tx.MakeRoom(); err != nil {
			return nil, err
		}
	}
	for _, l := range c.Chain.Links {
		out.OldBuckets = append(out.OldBuckets, l.Bucket)
	}
	if out.Buckets, out.PrioSeq, err = tx.RewritePrios(); err != nil {
		return nil, err
	}
	if out.Plan, err = tx.Commit(); err != nil {
		return nil, err
	}
	if !o.Brief {
		out.Changed = tx.Changes()
	}
	return out, nil
}

// mayRewrite refuses a device on which a new prio chain would not help, or be built on damage.
func mayRewrite(c *inspect.Cache, found []finding.Finding, fromBtree bool) error {
	if c.Journal == nil {
		return ErrNeverRegistered
	}
	chain := false
	for _, f := range found {
		if !finding.MayRewrite(f.Code) {
			return fmt.Errorf("%w: %s %s", ErrElsewhere, f.Code, f.Message)
		}
		row := finding.Lookup(f.Code)
		chain = chain || row.Severity == finding.Damage && row.Mend == finding.PrioChain
	}
	if chain && !fromBtree {
		return ErrUnknownGens
	}
	return nil
}

func setPrios(tx *change.Tx, o PrioOptions) error {
	for _, s := range o.Sets {
		for b := s.First; b <= s.Last; b++ {
			if s.Gen != nil {
				tx.SetGen(b, *s.Gen)
			}
			if s.Prio != nil {
				tx.SetPrio(b, *s.Prio)
			}
		}
	}
	if len(o.Sets) == 0 || o.Force {
		return nil
	}
	risks, err := Risks(tx)
	if err == nil && len(risks) > 0 {
		err = &RiskError{risks[0], len(risks) - 1}
	}
	return err
}

// below finds the backing device of a volume among those that are given.
func below(c *inspect.Cache, given []fsck.Device) func(inode uint32) io.ReaderAt {
	if len(given) == 0 {
		return nil
	}
	byUUID := map[ondisk.UUID]io.ReaderAt{}
	for _, d := range given {
		if s, err := superblock.Read(d.R); err == nil && s.IsBacking() {
			byUUID[s.UUID] = d.R
		}
	}
	return func(inode uint32) io.ReaderAt {
		if int64(inode) >= int64(len(c.UUIDs)) {
			return nil
		}
		return byUUID[c.UUIDs[inode].UUID]
	}
}

// Prove has a whole fsck check the device as it will be: damage that it would have and does not have today is refused.
// It returns what force lets pass. Errors: ErrNotProven, fsck's.
func Prove(ctx context.Context, dev fsck.Device, after io.ReaderAt, force bool) (passed []string, err error) {
	check := func(r io.ReaderAt) (map[string]bool, error) {
		d := dev
		d.R = r
		return damageOf(ctx, []fsck.Device{d})
	}
	will, err := check(after)
	if err != nil || len(will) == 0 {
		return nil, err
	}
	is, err := check(dev.R)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(will, func(f string, _ bool) bool { return is[f] })
	passed = slices.Sorted(maps.Keys(will))
	if len(passed) > 0 && !force {
		return nil, fmt.Errorf("%w: %s", ErrNotProven, passed[0])
	}
	return passed, nil
}
