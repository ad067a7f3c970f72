// SPDX-License-Identifier: GPL-2.0-only

// Package script is the language in which the allocator is told what to do, one
// operation a line, and prints every decision. docs/alloc.md describes it.
package script

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"bctl/alloc"
	"bctl/internal/bcache/ondisk"
)

// An Error says what is wrong with a line of a script.
type Error struct {
	Line int // from 1
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// Run runs the allocator script r on model m, and writes every decision
// to w, a line each. A line that cannot be run ends it with a *Error,
// after the output of the lines before.
func Run(r io.Reader, w io.Writer, m alloc.Model) error {
	s := newScript(w, m)
	err := s.runAll(r)
	if ferr := s.w.Flush(); err == nil {
		err = ferr
	}
	return err
}

// script is a run of a script: the cache and everything the language adds.
type script struct {
	w    *bufio.Writer
	line int
	op   string // the words of the current line
	cfg  alloc.Config
	c    *alloc.Cache // nil while config lines may still come
	disk *printedDisk

	lazy     bool // sched=lazy: steps only by run
	autogc   bool
	lastWait string
	parked   []*parkedOp // by age
}

// A parkedOp is an op of the script that was left sleeping.
type parkedOp struct {
	words   string
	sleeper *alloc.Sleeper
}

func newScript(w io.Writer, m alloc.Model) *script {
	s := &script{w: bufio.NewWriter(w), cfg: alloc.DefaultConfig(), autogc: true}
	s.cfg.Model = m
	return s
}

func (s *script) runAll(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.line++
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		s.op = strings.Join(words, " ")
		if err := s.runLine(words); err != nil {
			return &Error{s.line, err.Error()}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return &Error{s.line + 1, "line too long"}
	} else if err != nil {
		return err
	}
	for _, p := range s.parked {
		if s.c.Sleeping(p.sleeper) {
			s.printf("unfinished %s\n", p.words)
		}
	}
	return nil
}

// runLine runs one op and, eagerly scheduled, the steps that follow from it.
func (s *script) runLine(words []string) error {
	name, args := words[0], words[1:]
	if name == "config" {
		return s.config(args)
	}
	o, ok := ops[name]
	if !ok {
		return fmt.Errorf("unknown op %q", name)
	}
	if len(args) < o.min || len(args) > o.max {
		return fmt.Errorf("%s: want %s", name, o.usage)
	}
	if err := s.begin(); err != nil {
		return err
	}
	if err := o.run(s, args); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !s.lazy {
		s.c.Run()
	}
	return s.c.Err()
}

// begin makes the cache, at the first line that is not config.
func (s *script) begin() (err error) {
	if s.c != nil {
		return nil
	}
	s.disk = newPrintedDisk(s)
	s.cfg.Prios, s.cfg.Trace = s.disk, s
	s.c, err = alloc.New(s.cfg)
	return err
}

func (s *script) printf(format string, a ...any) { fmt.Fprintf(s.w, format, a...) }

// result prints what became of the current op.
func (s *script) result(format string, a ...any) {
	s.printf("%s -> %s\n", s.op, fmt.Sprintf(format, a...))
}

// config reads K=V words.
func (s *script) config(args []string) error {
	if s.c != nil {
		return errors.New("config: only before every other op")
	}
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			return fmt.Errorf("config: want KEY=VALUE, not %q", a)
		}
		if err := s.configure(k, v); err != nil {
			return fmt.Errorf("config: %s: %w", k, err)
		}
	}
	return nil
}

func (s *script) configure(k, v string) (err error) {
	c := &s.cfg
	switch k {
	case "nbuckets":
		c.NBuckets, err = parseInt(v, alloc.MinBuckets, alloc.MaxBuckets)
	case "bucket_size":
		c.BucketSize, err = parseInt(v, 1, 1<<20)
	case "block_size":
		c.BlockSize, err = parseInt(v, 1, 1<<20)
	case "first_bucket":
		c.FirstBucket, err = parseInt(v, 1, alloc.MaxBuckets)
	case "njournal":
		c.NJournal, err = parseInt(v, 0, ondisk.JournalBuckets)
	case "policy":
		c.Policy, err = alloc.ParsePolicy(v)
	case "discard":
		c.Discard, err = parseBool(v)
	case "sync":
		c.Sync, err = parseBool(v)
	case "seed":
		c.Seed, err = parseUint(v, 1<<64-1)
	case "sched":
		s.lazy = v == "lazy"
		if !s.lazy && v != "eager" {
			err = fmt.Errorf("%q: want eager or lazy", v)
		}
	case "autogc":
		s.autogc, err = parseBool(v)
	default:
		err = errors.New("no such key")
	}
	return err
}
