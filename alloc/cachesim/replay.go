// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bctl/alloc/blktrace"
	"bctl/internal/workers"
)

const replayBatch = 8192

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
// Requests are read while those before are being done.
func Each(ctx context.Context, r Source, warmup, limit uint64, do func([]blktrace.Request) error, begin func()) (err error) {
	a := ahead{warmup: warmup, limit: limit, filled: make(chan filled, aheadBatches), empty: make(chan []blktrace.Request, aheadBatches)}
	for range aheadBatches {
		a.empty <- make([]blktrace.Request, replayBatch)
	}
	var reader workers.Group
	reader.Go(func() {
		defer close(a.filled)
		a.read(r)
	})
	defer reader.Wait()
	defer close(a.empty)
	done := uint64(0)
	for f := range a.filled {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(f.batch); err != nil {
			return err
		}
		if done += uint64(len(f.batch)); len(f.batch) > 0 && done == warmup {
			begin()
		}
		if f.err != nil && !errors.Is(f.err, io.EOF) {
			return f.err
		}
		if f.err == nil {
			a.empty <- f.batch[:replayBatch]
		}
	}
	if warmup > 0 && done <= warmup {
		return ShortTraceError{done}
	}
	return nil
}

// aheadBatches is how many batches there are: one that is being read, one that is being done, and one between.
const aheadBatches = 3

// ahead is who reads for Each.
type ahead struct {
	warmup, limit uint64
	filled        chan filled
	empty         chan []blktrace.Request // closed: no more is wanted
}

// filled is a batch, and what Read said.
type filled struct {
	batch []blktrace.Request
	err   error
}

// read fills batches until the end, an error, or the limit. One ends where the warmup does.
func (a *ahead) read(r Source) {
	done := uint64(0)
	for batch := range a.empty {
		if a.limit > 0 {
			batch = batch[:min(uint64(len(batch)), a.limit-done)]
		}
		if done < a.warmup {
			batch = batch[:min(uint64(len(batch)), a.warmup-done)]
		}
		n, err := r.Read(batch)
		done += uint64(n)
		a.filled <- filled{batch[:n], err}
		if err != nil || done == a.limit && a.limit > 0 {
			return
		}
	}
}
