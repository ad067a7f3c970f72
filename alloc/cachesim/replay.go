// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"context"
	"errors"
	"io"

	"bctl/alloc/blktrace"
)

const replayBatch = 4096

// Replay runs a trace through s: at most limit requests of it if that is not 0, the first warmup of them uncounted.
// Errors: the context's, the reader's, alloc's.
func (s *Sim) Replay(ctx context.Context, r *blktrace.Reader, warmup, limit uint64) error {
	batch := make([]blktrace.Request, replayBatch)
	for done := uint64(0); limit == 0 || done < limit; {
		if err := ctx.Err(); err != nil {
			return err
		}
		want := batch
		if limit > 0 {
			want = want[:min(uint64(len(want)), limit-done)]
		}
		if done < warmup {
			want = want[:min(uint64(len(want)), warmup-done)]
		}
		n, err := r.Read(want)
		if derr := s.Do(want[:n]); derr != nil {
			return derr
		}
		if done += uint64(n); n > 0 && done == warmup {
			s.ResetFigures()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
