// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/progress"
)

// A trace is the files that --trace names, one behind the other. It is read once for each row.
type trace struct {
	names []string
	spec  blktrace.Spec
	found blktrace.Format // of the first file
	timed bool            // it tells times

	summary *cachesim.Summary                    // once somebody has read all of it
	kernel  atomic.Pointer[blktrace.KernelCount] // of tracepoints: what the kernel did
	bytes   int64                                // of all files
	stdin   *os.File                             // what came from standard input, copied
}

// openTrace finds the format out before anything is set up.
func openTrace(o *benchOptions, stdin io.Reader) (*trace, error) {
	t := &trace{names: o.traces, spec: o.traceSpec}
	if err := t.measure(stdin); err != nil {
		t.close()
		return nil, err
	}
	r, err := blktrace.Join(t.spec, t.sources(nil)...)
	if err != nil {
		t.close()
		return nil, t.explain(err)
	}
	t.found, t.timed = r.Format(), r.Timed()
	r.Close()
	return t, nil
}

// measure looks at the files, and copies standard input where it is one of them.
func (t *trace) measure(stdin io.Reader) error {
	for _, name := range t.names {
		if name == "-" {
			if t.stdin != nil {
				return app.Usagef("--trace -: given twice, and it can be read once")
			}
			n, err := t.spool(stdin)
			if err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
			t.bytes += n
			continue
		}
		f, err := openPlain(name)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		_ = f.Close()
		if err != nil {
			return err
		}
		t.bytes += info.Size()
	}
	return nil
}

// spool copies standard input to a file without a name.
func (t *trace) spool(stdin io.Reader) (int64, error) {
	f, err := os.CreateTemp("", "bctl-trace")
	if err != nil {
		return 0, err
	}
	t.stdin = f
	if err := os.Remove(f.Name()); err != nil {
		return 0, err
	}
	return io.Copy(f, stdin)
}

// name is what messages and results call the trace.
func (t *trace) name() string { return strings.Join(t.names, ", ") }

// sources are the files; what is read of them is counted if counter is not nil.
func (t *trace) sources(counter progress.Counter) []blktrace.Source {
	var list []blktrace.Source
	for _, name := range t.names {
		list = append(list, blktrace.Source{Name: name, Open: func() (io.ReadCloser, error) {
			var f io.ReadCloser
			var err error
			if name == "-" {
				f = io.NopCloser(io.NewSectionReader(t.stdin, 0, 1<<62))
			} else if f, err = openPlain(name); err != nil {
				return nil, err
			}
			if counter != nil {
				f = countedFile{countedReader{f, counter}, f}
			}
			return f, nil
		}})
	}
	return list
}

// close frees the copy of standard input.
func (t *trace) close() {
	if t.stdin != nil {
		_ = t.stdin.Close()
	}
}

// explain says which file an error is of; of several the reader has said it.
func (t *trace) explain(err error) error {
	var path *os.PathError
	switch {
	case errors.Is(err, blktrace.ErrFormat) && t.spec.Format == blktrace.Detect:
		err = app.WithHint(err, "--trace-format says which it is")
	case errors.As(err, &path):
		return err
	}
	if len(t.names) == 1 {
		return fmt.Errorf("%s: %w", t.name(), err)
	}
	return err
}

// countedFile is a countedReader that is closed.
type countedFile struct {
	io.Reader
	io.Closer
}
