// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"bctl/fsck"
	"bctl/internal/finding"
)

// ProveSet is Prove of a cache with backing devices, the cache first in both lists: what would be damaged after, and was
// not before. Errors: ErrNotProven, fsck.Run's.
func ProveSet(ctx context.Context, before, after []fsck.Device) error {
	will, err := damageOf(ctx, after)
	if err != nil || len(will) == 0 {
		return err
	}
	is, err := damageOf(ctx, before)
	if err != nil {
		return err
	}
	maps.DeleteFunc(will, func(f string, _ bool) bool { return is[f] })
	if len(will) > 0 {
		return fmt.Errorf("%w: %s", ErrNotProven, slices.Min(slices.Collect(maps.Keys(will))))
	}
	return nil
}

// damageOf is what fsck calls damage of a set.
func damageOf(ctx context.Context, set []fsck.Device) (map[string]bool, error) {
	rep, err := fsck.Run(ctx, set[0], set[1:], fsck.Options{})
	if err != nil {
		return nil, err
	}
	damage := map[string]bool{}
	for _, f := range rep.Findings {
		if f.Severity == finding.Damage {
			damage[string(f.Code)+" "+f.Message] = true
		}
	}
	return damage, nil
}
