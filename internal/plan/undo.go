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
)

// An undo file is a line that names it, a line of JSON, and the old contents of all blocks one after the other.
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
	Watched   []block `json:"watched"` // must be as before the change or as after it
	DataSum   string  `json:"data_sha256"`

	old [][]byte // of Blocks
}

type block struct {
	Region
	Step int    `json:"step"`
	Old  string `json:"old_sha256"`
	New  string `json:"new_sha256"`
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// Undo makes the undo file of p, to be carried out on dev. Nothing may be written to dev before it is on its medium.
func (p *Plan) Undo(dev Device) (*Undo, error) {
	u := &Undo{SizeBytes: dev.Size()}
	all := sha256.New()
	for i, step := range p.Steps {
		for _, w := range step {
			g := Region{w.Off, int64(len(w.Data))}
			old, err := read(dev, g)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.What, err)
			}
			u.Blocks = append(u.Blocks, block{g, i, sum(old), sum(w.Data)})
			u.old = append(u.old, old)
			all.Write(old)
		}
	}
	u.DataSum = hex.EncodeToString(all.Sum(nil))
	for _, g := range p.Watched {
		old, err := read(dev, g)
		if err != nil {
			return nil, err
		}
		now, err := p.after(dev, g)
		if err != nil {
			return nil, err
		}
		u.Watched = append(u.Watched, block{g, 0, sum(old), sum(now)})
	}
	return u, nil
}

// WriteTo writes the file.
func (u *Undo) WriteTo(w io.Writer) (int64, error) {
	head, err := json.Marshal(u)
	if err != nil {
		return 0, err
	}
	parts := append([][]byte{[]byte(undoMagic), head, []byte("\n")}, u.old...)
	return bytes.NewReader(bytes.Join(parts, nil)).WriteTo(w)
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
	head, err := in.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: its head is cut short", ErrUndoFile)
	}
	u := new(Undo)
	if err := json.Unmarshal(head, u); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndoFile, err)
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	if sum(data) != u.DataSum {
		return nil, fmt.Errorf("%w: its data are cut short or changed", ErrUndoFile)
	}
	for _, b := range u.Blocks {
		if b.Off < 0 || b.Bytes < 0 || b.Bytes > int64(len(data)) {
			return nil, fmt.Errorf("%w: blocks that cannot be", ErrUndoFile)
		}
		u.old, data = append(u.old, data[:b.Bytes]), data[b.Bytes:]
	}
	return u, nil
}

// Check reports whether dev is the device u was made for, and everything is as it was left: each block as it was
// written, or, after an undo that was cut off, as it was before. Errors wrap ErrChanged.
func (u *Undo) Check(dev Device) error {
	if dev.Size() != u.SizeBytes {
		return fmt.Errorf("%w: it has %d bytes, that one had %d", ErrChanged, dev.Size(), u.SizeBytes)
	}
	for _, b := range append(append([]block{}, u.Blocks...), u.Watched...) {
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
