// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// OpenUndo opens an undo file of size bytes, of whatever version, and checks its digest: all of it is read once.
// r must stay open as long as the file is used. Errors wrap ErrUndoFile, or are r's.
func OpenUndo(r io.ReaderAt, size int64) (*Undo, error) { return openUndo(r, size, mostBlocks) }

// mostBlocks is how many blocks are in memory, and more only where they are not in order.
const mostBlocks = 1 << 16

func openUndo(r io.ReaderAt, size int64, most int) (*Undo, error) {
	in := &counted{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), window)}
	magic, err := in.line(int64(len(undoMagic)))
	switch {
	case err == nil && magic == undoMagic && size > digestBytes:
		return openUndo2(r, size, in, most)
	case err == nil && magic == undoMagic1:
		return openUndo1(r, size, in)
	}
	return nil, errors.Join(ErrUndoFile, err)
}

// maxHead bounds the line of JSON, which names no blocks.
const maxHead = 16 << 20

func openUndo2(r io.ReaderAt, size int64, in *counted, most int) (*Undo, error) {
	if err := wholeFile(r, size); err != nil {
		return nil, err
	}
	line, err := in.line(maxHead)
	if err != nil {
		return nil, err
	}
	var head undoHead
	if err := json.Unmarshal([]byte(line), &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndoFile, err)
	}
	u := &Undo{Head: head.Head, Watched: head.Watched, r: r, sums: true, news: func(w *Write) int64 { return w.At + w.Bytes }}
	end := size - digestBytes
	if head.Blocks < 0 || int64(head.Blocks) > (end-in.n)/indexBytes {
		return nil, fmt.Errorf("%w: fewer blocks than it says", ErrUndoFile)
	}
	all := index{r: r, at: in.n, n: head.Blocks, end: end}
	if head.Blocks > most {
		if u.many, err = all.inOrder(); err != nil {
			return nil, err
		}
	}
	steps, err := u.load(all)
	if errors.Is(err, errOverlap) { // so which comes last matters
		u.many, u.blocks = index{}, nil
		steps, err = u.load(all)
	}
	if err != nil {
		return nil, err
	}
	return u, u.settle(steps)
}

// errBlocks is a file that nobody could have written, though its digest is right.
var errBlocks = fmt.Errorf("%w: blocks that cannot be", ErrUndoFile)

// settle checks the blocks and watched places, and finds where the steps end. steps are those of the blocks as they
// were written: they only rise.
func (u *Undo) settle(steps []uint32) error {
	for i := range u.blocks {
		if g := u.blocks[i].region(); g.Off < 0 || g.Bytes <= 0 || g.Bytes > u.SizeBytes-g.Off {
			return errBlocks
		}
		if i > 0 && steps[i] < steps[i-1] {
			return errBlocks
		}
	}
	for _, w := range u.Watched {
		if w.Off < 0 || w.Bytes <= 0 || w.Bytes > maxWatch || w.Bytes > u.SizeBytes-w.Off {
			return errBlocks
		}
	}
	slices.Reverse(steps)
	for i := range steps {
		if i+1 == len(steps) || steps[i+1] != steps[i] {
			u.steps = append(u.steps, i+1)
		}
	}
	later, bad := u.others().again() // which goes backwards
	if bad != nil {
		return errBlocks
	}
	u.later = later
	return nil
}

// maxWatch bounds one watched place: it is a block or two.
const maxWatch = 1 << 30

// wholeFile compares the digest at the end with what stands before it.
func wholeFile(r io.ReaderAt, size int64) error {
	sum := sha256.New()
	if err := hashRegion(sum, r, Region{0, size - digestBytes}); err != nil {
		return err
	}
	b := make([]byte, digestBytes)
	if _, err := r.ReadAt(b, size-digestBytes); err != nil && err != io.EOF {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != string(b) {
		return fmt.Errorf("%w: it is cut short or changed", ErrUndoFile)
	}
	return nil
}

// Version 1 has the digest of all that follows in the second line, all blocks in the line of JSON, and then the old
// contents of all blocks, and then the new ones. It held no more than 1 GiB.
const (
	undoMagic1 = "bctl undo 1\n"
	maxUndo1   = 1 << 30
)

func openUndo1(r io.ReaderAt, size int64, in *counted) (*Undo, error) {
	want, err := in.line(digestBytes + 1)
	if err != nil {
		return nil, err
	}
	rest := sha256.New()
	if err := hashRegion(rest, r, Region{in.n, size - in.n}); err != nil {
		return nil, err
	}
	if hex.EncodeToString(rest.Sum(nil))+"\n" != want {
		return nil, fmt.Errorf("%w: it is cut short or changed", ErrUndoFile)
	}
	line, err := in.line(maxUndo1)
	if err != nil {
		return nil, err
	}
	var head struct {
		Head
		Blocks []struct {
			Region
			Step uint32 `json:"step"`
		} `json:"blocks"`
		Watched []watch `json:"watched"`
	}
	if err := json.Unmarshal([]byte(line), &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndoFile, err)
	}
	u := &Undo{Head: head.Head, Watched: head.Watched, r: r}
	data := (size - in.n) / 2
	u.news = func(w *Write) int64 { return w.At + data }
	at := in.n
	var steps []uint32
	for _, b := range head.Blocks {
		if b.Bytes < 0 || b.Bytes > in.n+data-at {
			return nil, errBlocks
		}
		u.blocks = append(u.blocks, Write{Off: b.Off, From: r, At: at, Bytes: b.Bytes})
		steps = append(steps, b.Step)
		at += b.Bytes
	}
	if at-in.n != data || in.n+2*data != size {
		return nil, errBlocks
	}
	slices.Reverse(u.blocks)
	return u, u.settle(steps)
}

// counted is a reader that knows how far it is.
type counted struct {
	r *bufio.Reader
	n int64
}

// line is the next line, of at most so many bytes.
func (c *counted) line(most int64) (string, error) {
	var b []byte
	for int64(len(b)) < most {
		ch, err := c.r.ReadByte()
		if err == io.EOF {
			return "", fmt.Errorf("%w: its head is cut short", ErrUndoFile)
		}
		if err != nil {
			return "", err
		}
		c.n++
		if b = append(b, ch); ch == '\n' {
			return string(b), nil
		}
	}
	return "", fmt.Errorf("%w: no head", ErrUndoFile)
}
