// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"regexp"
	"strings"
)

// A Report is what a boot said.
type Report struct {
	Cases   []*Case
	Ended   bool   // the script came to its end, or to the crash it asked for
	Console string // the first serial port: what the kernel shouted
}

// A Case is a part of the script: the facts it reported and what the kernel logged meanwhile.
type Case struct {
	Name  string
	Facts map[string][]string // by key, in order
	Log   []string
}

// parseReport reads the second serial port. A first, unnamed case holds what came before any other.
func parseReport(said, console string) *Report {
	r := &Report{Console: console}
	c := r.add("")
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\n")
		fact, ok := strings.CutPrefix(line, "@")
		key, value, _ := strings.Cut(fact, " ")
		switch {
		case !ok:
			c.Log = append(c.Log, line)
		case key == "case":
			c = r.add(value)
		case key == "end" || key == "crash":
			r.Ended = true
		default:
			c.Facts[key] = append(c.Facts[key], value)
		}
	}
	return r
}

func (r *Report) add(name string) *Case {
	c := &Case{Name: name, Facts: map[string][]string{}}
	r.Cases = append(r.Cases, c)
	return c
}

// Case is the one of that name, or an empty one.
func (r *Report) Case(name string) *Case {
	for _, c := range r.Cases {
		if c.Name == name {
			return c
		}
	}
	return &Case{Name: name}
}

// Fact is the last value of a key, or "".
func (c *Case) Fact(key string) string {
	v := c.Facts[key]
	if len(v) == 0 {
		return ""
	}
	return v[len(v)-1]
}

// Map is a fact of several values, as "dump.NAME" and "stats.NAME" are: the first word of each value is its key.
func (c *Case) Map(key string) map[string]string {
	m := map[string]string{}
	for _, v := range c.Facts[key] {
		k, rest, _ := strings.Cut(v, " ")
		m[k] = rest
	}
	return m
}

// replayFailed reports whether the kernel met its own fault in replaying a journal. A replayed key that finds its leaf
// full splits it; where the leaf's live keys alone fill a node to the last eleven words, bch_btree_insert_keys() takes
// no key at first and notes a collision. The key goes in after the split, but bch_btree_insert() still returns -ESRCH,
// which means something to writers only, and bch_journal_replay() gives up: the cache does not register. Nothing is
// wrong on the disk. Small nodes meet this, about once in a hundred crashes; a journal that lacks entries says so.
func (c *Case) replayFailed() bool {
	failed := false
	for _, line := range c.Log {
		if strings.Contains(line, "missing!") || strings.Contains(line, "bch_btree_insert() error") {
			return false
		}
		failed = failed || strings.Contains(line, "replay journal failed")
	}
	return failed
}

// complaint is what the kernel must not say of a device that is in order.
var complaint = regexp.MustCompile(`(?i)\b(BUG|Oops|panic)\b|WARNING:|Call Trace|bcache:.*(error|bad |invalid|corrupt|missing|inconsistent|disabling|unsupported|not enough|too )`)

// innocent looks like a complaint and is none.
var innocent = regexp.MustCompile(`error_limit`)

// Complaints are the lines of the kernel's log that name something wrong.
func (c *Case) Complaints() []string {
	var list []string
	for _, line := range c.Log {
		if complaint.MatchString(line) && !innocent.MatchString(line) {
			list = append(list, line)
		}
	}
	return list
}
