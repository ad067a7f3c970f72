// SPDX-License-Identifier: GPL-2.0-only

package salvage

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"bctl/cmd/bctl/app"
	"bctl/internal/writeback"
)

// A lostFile is that of --failed; without, what is lost is counted.
type lostFile struct {
	f    *os.File
	w    *bufio.Writer
	err  error
	sums map[uint32]map[string]int64 // bytes, by inode and why
}

func (b *back) lostFile() (*lostFile, error) {
	l := &lostFile{sums: map[uint32]map[string]int64{}}
	b.report.lost = l.sums
	if b.o.failed == "" {
		return l, nil
	}
	f, err := os.OpenFile(b.o.failed, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		err = app.WithHint(err, "it may be the list of another run: name another")
	}
	if err != nil {
		return nil, fmt.Errorf("--failed: %w", err)
	}
	l.f, l.w = f, bufio.NewWriter(f)
	return l, nil
}

func (l *lostFile) add(x writeback.Lost) {
	if l.sums[x.Inode] == nil {
		l.sums[x.Inode] = map[string]int64{}
	}
	l.sums[x.Inode][x.Why] += x.Count.Bytes()
	if l.f != nil {
		l.err = errors.Join(l.err, json.NewEncoder(l.w).Encode(x))
	}
}

// sync has the list on its medium: before anything is cleared.
func (l *lostFile) sync() error {
	if l.f == nil {
		return nil
	}
	if err := errors.Join(l.err, l.w.Flush(), l.f.Sync()); err != nil {
		return fmt.Errorf("--failed: %w", err)
	}
	return nil
}

func (l *lostFile) close() error {
	if l.f == nil {
		return nil
	}
	return errors.Join(l.sync(), l.f.Close())
}
