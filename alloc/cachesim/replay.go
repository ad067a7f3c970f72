// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bctl/alloc/blktrace"
)

const replayBatch = 4096

// A ShortTraceError says that a trace ends before there is a request to count.
type ShortTraceError struct{ Requests uint64 }

func (e ShortTraceError) Error() string {
	return fmt.Sprintf("the trace has %d requests, all of them warmup", e.Requests)
}

// A Source hands out requests, as a blktrace.Reader does.
type Source interface {
	Read(batch []blktrace.Request) (n int, err error)
}

// Replay runs a trace through s: at most limit requests of it if that is not 0, the first warmup of them uncounted.
// Errors: the context's, the reader's, alloc's, ShortTraceError if nothing is left behind the warmup.
func (s *Sim) Replay(ctx context.Context, r Source, warmup, limit uint64) error {
	return Each(ctx, r, warmup, limit, s.Do, s.ResetFigures)
}

// Each calls do with the requests of a trace, and begin when the first that counts comes next. See Replay for the rest.
func Each(ctx context.Context, r Source, warmup, limit uint64, do func([]blktrace.Request) error, begin func()) error {
	batch := make([]blktrace.Request, replayBatch)
	done := uint64(0)
	for limit == 0 || done < limit {
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
		if derr := do(want[:n]); derr != nil {
			return derr
		}
		if done += uint64(n); n > 0 && done == warmup {
			begin()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if warmup > 0 && done <= warmup {
		return ShortTraceError{done}
	}
	return nil
}
