// SPDX-License-Identifier: GPL-2.0-only

// Package metaimage reads and writes metadata images: parts of devices, as one compressed file. It knows nothing of
// what is in those parts. docs/image.md describes the format for others.
//
//	skippable frame   "bctl", version, the index: the devices, and which areas of them are here
//	zstd frames       the areas, one behind the other; zstd -d gives just these bytes
//	skippable frame   the seek table of zstd's seekable format; its first entry stands for the index, and has no bytes
//
// A reader is a device as it was, with holes: what the image does not have is full.UnknownError, and never zero.
package metaimage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sort"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/SaveTheRbtz/zstd-seekable-format-go/pkg/framecache"
	"github.com/klauspost/compress/zstd"

	"bctl/internal/disk/full"
	"bctl/internal/disk/tightzstd"
)

// Version is that of the format.
const Version = 2

const (
	headMagic  = 0x184D2A5B // one of the sixteen of a skippable frame
	headBytes  = 17         // up to the index
	name       = "bctl"
	frameBytes = 4 << 20  // of the stream in a frame, at most
	emptyBytes = 16 << 20 // of one that is nearly all zero: what each frame adds would be most of it
	cacheBytes = 64 << 20 // of frames that a reader keeps
	tightBelow = 2 << 10  // a frame that is so small can be made a tenth smaller in no time
)

// MagicBytes is how much Is wants to see.
const MagicBytes = headBytes

// Is reports whether a file that begins with b is meant to be a metadata image.
func Is(b []byte) bool {
	return len(b) >= MagicBytes && binary.LittleEndian.Uint32(b) == headMagic && string(b[8:12]) == name
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is the first frame.
func head(ix *Index, enc *zstd.Encoder) []byte {
	body := ix.append(nil)
	if packed := enc.EncodeAll(body, nil); len(packed) < len(body) {
		body = packed
	}
	le := binary.LittleEndian
	b := le.AppendUint32(nil, headMagic)
	b = le.AppendUint32(b, uint32(headBytes-8+len(body)))
	b = append(append(b, name...), Version)
	b = le.AppendUint32(b, crc32.Checksum(body, castagnoli))
	return append(b, body...)
}

// readHead is head's inverse. Errors wrap ErrBroken or ErrVersion, or are r's.
func readHead(r io.ReaderAt, size int64, dec *zstd.Decoder) (*Index, error) {
	b := make([]byte, headBytes)
	if err := full.ReadAt(r, b, 0); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	n := int64(le.Uint32(b[4:])) - (headBytes - 8)
	switch v := b[12]; {
	case !Is(b) || n < 0 || n > min(maxIndex, size-headBytes):
		return nil, fmt.Errorf("%w: its header cannot be", ErrBroken)
	case v > Version:
		return nil, fmt.Errorf("%w: %d, this bctl knows %d", ErrVersion, v, Version)
	}
	body := make([]byte, n)
	if err := full.ReadAt(r, body, headBytes); err != nil {
		return nil, err
	}
	if crc32.Checksum(body, castagnoli) != le.Uint32(b[13:]) {
		return nil, fmt.Errorf("%w: the index's checksum is another", ErrBroken)
	}
	if len(body) >= 4 && le.Uint32(body) == zstdMagic { // an index begins with its flags
		var err error
		if body, err = dec.DecodeAll(body, nil); err != nil {
			return nil, fmt.Errorf("%w: index: %w", ErrBroken, err)
		}
	}
	return decodeIndex(body)
}

const zstdMagic = 0xFD2FB528

// An Image is one that is open for reading. Its methods may be called from several goroutines.
type Image struct {
	Index
	dec    *zstd.Decoder
	stream *seekable.Reader
}

// Open opens the image of size bytes in r. Errors wrap ErrBroken or ErrVersion, or are r's.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxIndex))
	if err != nil {
		return nil, err
	}
	ix, err := readHead(r, size, dec)
	if err != nil {
		dec.Close()
		return nil, err
	}
	stream, err := seekable.NewReader(io.NewSectionReader(r, 0, size), dec, seekable.WithReaderEnvironment(&source{r, size}),
		seekable.WithReaderFrameCache(framecache.NewLRU(framecache.Limits{MaxFrames: cacheBytes / frameBytes, MaxBytes: cacheBytes})))
	if err != nil {
		dec.Close()
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	table, err := stream.SeekTable()
	if err != nil || table.Size() != uint64(ix.Bytes()) {
		dec.Close()
		return nil, fmt.Errorf("%w: it holds %d bytes, its index wants %d", ErrBroken, table.Size(), ix.Bytes())
	}
	return &Image{*ix, dec, stream}, nil
}

// Close ends all reading of it; what it was read from stays open.
func (m *Image) Close() error {
	err := m.stream.Close()
	m.dec.Close()
	return err
}

// A View is one device as far as the image has it: an io.ReaderAt.
type View struct {
	*Device
	m     *Image
	start []int64 // of each area in the stream
}

// View is device i, which must be there.
func (m *Image) View(i int) *View {
	v := &View{Device: &m.Devices[i], m: m}
	at := int64(0)
	for k := range i {
		at += m.Devices[k].bytes()
	}
	for _, a := range v.Areas {
		v.start = append(v.start, at)
		at += a.Len
	}
	return v
}

// ReadAt is io.ReaderAt. Errors, besides those of the file: *full.UnknownError where an area ends, io.EOF where the
// device does.
func (v *View) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("negative offset %d", off)
	}
	for n < len(b) {
		at := off + int64(n)
		if at >= v.Size {
			return n, io.EOF
		}
		i := sort.Search(len(v.Areas), func(i int) bool { return v.Areas[i].Off+v.Areas[i].Len > at })
		if i == len(v.Areas) || v.Areas[i].Off > at {
			gap := &full.UnknownError{Off: at, End: v.Size}
			if i < len(v.Areas) {
				gap.End = v.Areas[i].Off
			}
			return n, gap
		}
		a := v.Areas[i]
		part := b[n : n+int(min(int64(len(b)-n), a.Off+a.Len-at))]
		got, err := v.m.stream.ReadAt(part, v.start[i]+at-a.Off)
		n += got
		if got < len(part) {
			return n, fmt.Errorf("%w: %w", ErrBroken, err)
		}
	}
	return n, nil
}

// source is where frames are read from: no more of them than there is.
type source struct {
	r    io.ReaderAt
	size int64
}

const footBytes = 9

// ReadFooter is seekable's.
func (s *source) ReadFooter() ([]byte, error) { return s.last(footBytes) }

// ReadSkipFrame is seekable's.
func (s *source) ReadSkipFrame(n int64) ([]byte, error) { return s.last(n) }

func (s *source) last(n int64) ([]byte, error) {
	if n < 0 || n > s.size {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	return b, full.ReadAt(s.r, b, s.size-n)
}

// GetFrameByIndex is seekable's.
func (s *source) GetFrameByIndex(e seekable.FrameOffsetEntry) ([]byte, error) {
	if e.DecompressedSize > emptyBytes || e.CompressedSize > 8*frameBytes || e.CompressedOffset > uint64(s.size) || int64(e.CompressedSize) > s.size-int64(e.CompressedOffset) {
		return nil, fmt.Errorf("%w: a frame that cannot be", ErrBroken)
	}
	b := make([]byte, e.CompressedSize)
	return b, full.ReadAt(s.r, b, int64(e.CompressedOffset))
}

// A Writer writes an image: the areas of the index, one behind the other.
type Writer struct {
	out    *seekable.Writer
	enc    *zstd.Encoder
	buf    bytes.Buffer
	used   int // bytes in buf that are not zero
	left   int64
	failed error
}

// Create writes the index of an image, and is given its areas next.
func Create(w io.Writer, ix *Index) (*Writer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(frameBytes))
	if err != nil {
		return nil, err
	}
	first := head(ix, enc)
	if len(first) > maxIndex {
		return nil, fmt.Errorf("%d areas are more than an image has room for", len(ix.Devices[0].Areas))
	}
	if _, err := w.Write(first); err != nil {
		return nil, err
	}
	out, err := seekable.NewWriter(nil, tight{enc}, seekable.WithWriterEnvironment(&sink{w, len(first)}))
	if err != nil {
		return nil, err
	}
	return &Writer{out: out, enc: enc, left: ix.Bytes()}, nil
}

// tight packs frames of little content tighter.
type tight struct{ *zstd.Encoder }

// EncodeAll is the encoder's.
func (e tight) EncodeAll(src, dst []byte) []byte {
	packed := e.Encoder.EncodeAll(src, nil)
	if len(packed) < tightBelow {
		if less := tightzstd.Encode(src); len(less) < len(packed) {
			packed = less
		}
	}
	return append(dst, packed...)
}

// Write is io.Writer.
func (w *Writer) Write(b []byte) (int, error) {
	w.left -= int64(len(b))
	w.buf.Write(b)
	w.used += len(b) - bytes.Count(b, []byte{0})
	for w.failed == nil && w.buf.Len() >= frameBytes {
		n := frameBytes
		if w.used < tightBelow {
			n = emptyBytes
		}
		if w.buf.Len() < n {
			break
		}
		_, w.failed = w.out.Write(w.buf.Next(n))
		w.used = w.buf.Len() - bytes.Count(w.buf.Bytes(), []byte{0})
	}
	return len(b), w.failed
}

// Close writes what is left, and the seek table.
func (w *Writer) Close() error {
	if w.failed == nil && w.left != 0 {
		w.failed = fmt.Errorf("the areas lack %d bytes", w.left)
	}
	if w.failed == nil {
		_, w.failed = w.out.Write(w.buf.Bytes())
	}
	if w.failed == nil {
		w.failed = w.out.Close()
	}
	_ = w.enc.Close() // it has nothing left
	return w.failed
}

// sink is where frames go.
type sink struct {
	w    io.Writer
	head int
}

// WriteFrame is seekable's.
func (s *sink) WriteFrame(b []byte) (int, error) { return s.w.Write(b) }

// sumOfNothing is what the seek table has for a frame without bytes: the lower half of XXH64 of nothing.
const sumOfNothing = 0x51D8E999

// WriteSeekTable is seekable's: it puts the entry of the first frame in front, which the other offsets count from.
func (s *sink) WriteSeekTable(b []byte) (int, error) {
	le := binary.LittleEndian
	entry := le.AppendUint32(nil, uint32(s.head))
	entry = le.AppendUint32(entry, 0)
	entry = le.AppendUint32(entry, sumOfNothing)
	out := append(append(append([]byte(nil), b[:8]...), entry...), b[8:]...)
	le.PutUint32(out[4:], le.Uint32(out[4:])+uint32(len(entry)))
	foot := out[len(out)-footBytes:]
	le.PutUint32(foot, le.Uint32(foot)+1)
	if _, err := s.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
