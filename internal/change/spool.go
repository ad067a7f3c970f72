// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"bytes"
	"fmt"
	"os"

	"bctl/internal/disk/plan"
)

// spoolAt is how many bytes of a plan stay in memory; where no file can be made, as early in a boot, spoolMost do.
const (
	spoolAt   = 2 << 20
	spoolMost = 8 << 20
)

// A Spool holds what is going to be written, where that is too much for memory: in a file that has no name, so that
// nothing is left of it whatever happens. A nil one holds everything in memory.
type Spool struct {
	dir  string
	held int64
	file *os.File // nil: not needed yet
	end  int64
}

// NewSpool is one whose file is made in dir, "" for the folder of temporary files.
func NewSpool(dir string) *Spool { return &Spool{dir: dir} }

// Put keeps the data of w, which is the caller's again afterwards. Errors: the file's.
func (s *Spool) Put(w plan.Write) (plan.Write, error) {
	n := int64(len(w.Data))
	if s == nil || s.held+n <= spoolAt {
		return s.keep(w), nil
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "bctl-plan-*")
		switch {
		case err != nil && s.held+n <= spoolMost:
			return s.keep(w), nil
		case err != nil:
			return w, fmt.Errorf("no room to plan in: %w", err)
		}
		if err := os.Remove(f.Name()); err != nil {
			_ = f.Close()
			return w, err
		}
		s.file = f
	}
	if _, err := s.file.WriteAt(w.Data, s.end); err != nil {
		return w, fmt.Errorf("no room to plan in: %w", err)
	}
	w.Data, w.From, w.At, w.Bytes = nil, s.file, s.end, n
	s.end += n
	return w, nil
}

// keep holds the data in memory.
func (s *Spool) keep(w plan.Write) plan.Write {
	if s != nil {
		s.held += int64(len(w.Data))
	}
	w.Data = bytes.Clone(w.Data)
	return w
}

// Close gives the file up. What was put cannot be read any more.
func (s *Spool) Close() error {
	if s == nil || s.file == nil {
		return nil
	}
	return s.file.Close()
}
