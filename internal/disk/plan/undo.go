// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// An undo file is a line that names it, the digest of all that follows, a line of JSON, and of all blocks one after the
// other the old contents, then the new ones.
const undoMagic = "bctl undo 1\n"

// What can be wrong with an undo file, or with the device it is held against.
var (
	ErrUndoFile = errors.New("not a whole undo file")
	ErrChanged  = errors.New("not the device it was made for, or changed since")
)

// Undo is an undo file.
type Undo struct {
	Command   string  `json:"command"` // that made the change
	Device    string  `json:"device"`  // as it was called then
	SizeBytes int64   `json:"size_bytes"`
	Created   string  `json:"created"`
	Blocks    []block `json:"blocks"`  // in the order they were written
	Watched   []watch `json:"watched"` // must be as before the change or as after it

	old, new [][]byte // of Blocks
}

type block struct {
	Region
	Step int `json:"step"`
}

type watch struct {
	Region
	Old string `json:"old_sha256"`
	New string `json:"new_sha256"`
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// Undo makes the undo file of p, to be carried out on dev. Nothing may be written to dev before it is on its medium.
func (p *Plan) Undo(dev Device) (*Undo, error) {
	u := &Undo{SizeBytes: dev.Size()}
	for i, step := range p.Steps {
		for _, w := range step {
			g := Region{w.Off, int64(len(w.Data))}
			if u.touches(g) {
				return nil, fmt.Errorf("%s: written twice, so it could not be told what stood there", w.What)
			}
			old, err := read(dev, g)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.What, err)
			}
			u.Blocks = append(u.Blocks, block{g, i})
			u.old, u.new = append(u.old, old), append(u.new, w.Data)
		}
	}
	for _, g := range p.Watched {
		if u.covers(g) {
			continue // checked with the blocks, sector by sector
		}
		old, err := read(dev, g)
		if err != nil {
			return nil, err
		}
		now, err := p.after(dev, g)
		if err != nil {
			return nil, err
		}
		u.Watched = append(u.Watched, watch{g, sum(old), sum(now)})
	}
	return u, nil
}

// covers reports whether a block holds all of g.
func (u *Undo) covers(g Region) bool {
	return slices.ContainsFunc(u.Blocks, func(b block) bool { return b.Off <= g.Off && g.Off+g.Bytes <= b.Off+b.Bytes })
}

// touches reports whether a block holds any of g.
func (u *Undo) touches(g Region) bool {
	return slices.ContainsFunc(u.Blocks, func(b block) bool { return b.Off < g.Off+g.Bytes && g.Off < b.Off+b.Bytes })
}

// WriteTo writes the file.
func (u *Undo) WriteTo(w io.Writer) (int64, error) {
	head, err := json.Marshal(u)
	if err != nil {
		return 0, err
	}
	body := slices.Concat(append(head, '\n'), bytes.Join(u.old, nil), bytes.Join(u.new, nil))
	return bytes.NewReader(slices.Concat([]byte(undoMagic), []byte(sum(body)+"\n"), body)).WriteTo(w)
}

// maxUndo bounds what ReadUndo takes in: a plan holds metadata, a few buckets at most.
const maxUndo = 1 << 30

// ReadUndo reads a file that WriteTo wrote. Errors wrap ErrUndoFile.
func ReadUndo(r io.Reader) (*Undo, error) {
	in := bufio.NewReader(io.LimitReader(r, maxUndo))
	magic, err := in.ReadString('\n')
	if magic != undoMagic {
		return nil, errors.Join(ErrUndoFile, err)
	}
	want, err := in.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: its head is cut short", ErrUndoFile)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	if sum(body)+"\n" != want {
		return nil, fmt.Errorf("%w: it is cut short or changed", ErrUndoFile)
	}
	head, data, _ := bytes.Cut(body, []byte("\n"))
	u := new(Undo)
	if err := json.Unmarshal(head, u); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndoFile, err)
	}
	return u, u.take(data)
}

// take finds the contents of the blocks in what follows the head.
func (u *Undo) take(data []byte) error {
	for _, of := range []*[][]byte{&u.old, &u.new} {
		for _, b := range u.Blocks {
			if b.Off < 0 || b.Bytes <= 0 || b.Bytes > int64(len(data)) || b.Bytes > u.SizeBytes-b.Off {
				return fmt.Errorf("%w: blocks that cannot be", ErrUndoFile)
			}
			*of, data = append(*of, data[:b.Bytes]), data[b.Bytes:]
		}
	}
	for _, w := range u.Watched {
		if w.Off < 0 || w.Bytes <= 0 || w.Bytes > maxUndo || w.Bytes > u.SizeBytes-w.Off {
			return fmt.Errorf("%w: blocks that cannot be", ErrUndoFile)
		}
	}
	if len(data) > 0 {
		return fmt.Errorf("%w: more than its blocks", ErrUndoFile)
	}
	return nil
}

// Check reports whether dev is the device u was made for, and everything is as it was left: each sector as it was
// written, or, where the write or an undo was cut off, as it was before. Errors wrap ErrChanged.
func (u *Undo) Check(dev Device) error {
	if dev.Size() != u.SizeBytes {
		return fmt.Errorf("%w: it has %d bytes, that one had %d", ErrChanged, dev.Size(), u.SizeBytes)
	}
	for i, b := range u.Blocks {
		now, err := read(dev, b.Region)
		if err != nil {
			return err
		}
		if at := foreign(now, u.old[i], u.new[i]); at >= 0 {
			return fmt.Errorf("%w: at byte %d", ErrChanged, b.Off+int64(at))
		}
	}
	for _, b := range u.Watched {
		now, err := read(dev, b.Region)
		if err != nil {
			return err
		}
		if s := sum(now); s != b.Old && s != b.New {
			return fmt.Errorf("%w: at byte %d", ErrChanged, b.Off)
		}
	}
	return nil
}

// sector is what a device writes whole or not at all.
const sector = 512

// foreign finds the first sector that is neither the old nor the new one: -1 where there is none.
func foreign(now, old, new []byte) int {
	for at := 0; at < len(now); at += sector {
		end := min(at+sector, len(now))
		if s := now[at:end]; !bytes.Equal(s, old[at:end]) && !bytes.Equal(s, new[at:end]) {
			return at
		}
	}
	return -1
}

// Plan puts the old contents back, the last step first: what refers to new blocks goes before they do.
func (u *Undo) Plan() *Plan {
	p := new(Plan)
	var step []Write
	for i := len(u.Blocks) - 1; i >= 0; i-- {
		b := u.Blocks[i]
		step = append(step, Write{Off: b.Off, Data: u.old[i], What: fmt.Sprintf("%d bytes at byte %d", b.Bytes, b.Off)})
		if i == 0 || u.Blocks[i-1].Step != b.Step {
			p.Then(step...)
			step = nil
		}
	}
	return p
}
