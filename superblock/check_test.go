// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
)

// kernelMade are the superblocks of the images, by image and file. It fails the test if there are none.
func kernelMade(t testing.TB) map[string]*ondisk.Super {
	t.Helper()
	out := map[string]*ondisk.Super{}
	for _, seed := range imgtest.Seeds(t, "super") {
		s, err := ondisk.DecodeSuper(seed.Data)
		if err != nil {
			t.Fatal(err)
		}
		out[seed.Image+"-"+seed.File] = s
	}
	return out
}

// What the kernel wrote has no fault, whatever a cache or backing device it is.
func TestCheckKernelMade(t *testing.T) {
	for name, s := range kernelMade(t) {
		d := Device{LogicalBlock: 512, Now: 1 << 32, Size: 128 << 20}
		if !s.IsBacking() {
			d.Size = int64(s.Nbuckets) * BucketSectors(s).Bytes()
		}
		if faults := Check(s, d); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
		if faults := Check(s, Device{}); len(faults) > 0 { // where nothing is known of the device
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// A checkCase changes a kernel-made superblock in one way. Its checksum is mended unless that is what is wrong.
type checkCase struct {
	name    string // of the error
	want    []error
	backing bool
	edit    func(s *ondisk.Super)
	dev     func(d *Device)
}

func checkCases() []checkCase {
	one := func(errs ...error) []error { return errs }
	return []checkCase{
		{"ErrOffset", one(ErrOffset), false, func(s *ondisk.Super) { s.Offset = 9 }, nil},
		{"ErrMagic", one(ErrMagic), false, func(s *ondisk.Super) { s.Magic[3]++ }, nil},
		{"ErrChecksum", one(ErrChecksum), false, func(s *ondisk.Super) { s.Csum ^= 1 }, nil},
		{"ErrUUID", one(ErrUUID), false, func(s *ondisk.Super) { s.UUID = ondisk.UUID{} }, nil},
		{"ErrUUID", one(ErrUUID), true, func(s *ondisk.Super) { s.UUID = ondisk.UUID{} }, nil},
		{"ErrBlockLogical", one(ErrBlockLogical), false, func(s *ondisk.Super) { s.BlockSize = 4 }, func(d *Device) { d.LogicalBlock = 4096 }},
		{"ErrBlockLogical", one(ErrBlockLogical), true, func(s *ondisk.Super) { s.BlockSize = 1 }, func(d *Device) { d.LogicalBlock = 4096 }},
		{"ErrVersion", one(ErrVersion), false, func(s *ondisk.Super) { s.Version = 2 }, nil},
		{"ErrVersion", one(ErrVersion), false, func(s *ondisk.Super) { s.Version = 7 }, nil},
		{"ErrVersion", one(ErrVersion), false, func(s *ondisk.Super) { s.Version = 1 << 63 }, nil},
		{"ErrCompat", one(ErrCompat), false, func(s *ondisk.Super) { s.Version, s.FeatureCompat = 5, 1 }, nil},
		{"ErrROCompat", one(ErrROCompat), false, func(s *ondisk.Super) { s.Version, s.FeatureROCompat = 5, 1 }, nil},
		{"ErrIncompat", one(ErrIncompat), false, func(s *ondisk.Super) { s.Version, s.FeatureIncompat = 5, 4 }, nil},
		{"ErrDataOffset", one(ErrDataOffset), true, func(s *ondisk.Super) { s.Version, s.Nbuckets = 4, 15 }, nil},
		{"ErrDataOffset", one(ErrDataOffset), true, func(s *ondisk.Super) { s.Version, s.Nbuckets = 6, 15 }, nil},
		{"ErrJournalCount", one(ErrJournalCount), false, func(s *ondisk.Super) { s.Keys = 257 }, nil},
		{"ErrJournalCount", one(ErrJournalCount), false, func(s *ondisk.Super) { s.Keys = 65535 }, nil},
		{"ErrTooManyBuckets", one(ErrTooManyBuckets, ErrDeviceSmall, ErrJournalOdd), false, func(s *ondisk.Super) { s.Nbuckets = 1 << 63 }, nil},
		{"ErrFewBuckets", one(ErrFewBuckets, ErrCacheSmall, ErrGrown, ErrJournalOdd), false, func(s *ondisk.Super) { s.Nbuckets = 127 }, nil},
		{"ErrCacheSmall", one(ErrCacheSmall, ErrGrown, ErrJournalOdd), false, func(s *ondisk.Super) { s.Nbuckets = 512 }, nil},
		{"ErrBlockSize", one(ErrBlockSize), false, func(s *ondisk.Super) { s.BlockSize = 3 }, nil},
		{"ErrBlockSize", one(ErrBlockLogical, ErrBlockSize), false, func(s *ondisk.Super) { s.BlockSize = 0 }, nil},
		{"ErrBlockSize", one(ErrBlockSize), true, func(s *ondisk.Super) { s.BlockSize = 3 }, nil},
		{"ErrBlockPage", one(ErrBlockPage), false, func(s *ondisk.Super) { s.BlockSize = 16 }, nil},
		{"ErrBucketSize", one(ErrBucketSize, ErrGrown), false, func(s *ondisk.Super) { s.BucketSize = 255 }, nil},
		{"ErrBucketSize", one(ErrBucketSize, ErrBucketPage, ErrGrown, ErrFirstBucket), false, func(s *ondisk.Super) { s.BucketSize = 0 }, nil},
		{"ErrBucketPage", one(ErrBucketPage, ErrGrown, ErrFirstBucket, ErrLargePages), false, func(s *ondisk.Super) { s.BucketSize, s.BlockSize = 4, 1 }, nil},
		{"ErrDeviceSmall", one(ErrDeviceSmall), false, func(*ondisk.Super) {}, func(d *Device) { d.Size-- }},
		{"ErrDeviceSmall", one(ErrDeviceSmall, ErrJournalOdd), false, func(s *ondisk.Super) { s.Nbuckets = 1<<62 + 2048 }, nil}, // bytes wrap to the device's
		{"ErrSetUUID", one(ErrSetUUID), false, func(s *ondisk.Super) { s.SetUUID = ondisk.UUID{} }, nil},
		{"ErrNrInSet", one(ErrNrInSet), false, func(s *ondisk.Super) { s.NrInSet = 0 }, nil},
		{"ErrNrInSet", one(ErrNrInSet, ErrManyCaches), false, func(s *ondisk.Super) { s.NrInSet = 9 }, nil},
		{"ErrNrInSet", one(ErrNrInSet, ErrManyCaches), false, func(s *ondisk.Super) { s.NrThisDev = 1 }, nil},
		{"ErrManyCaches", one(ErrManyCaches), false, func(s *ondisk.Super) { s.NrInSet, s.NrThisDev = 2, 1 }, nil},
		{"ErrJournalOrder", one(ErrJournalOrder), false, func(s *ondisk.Super) { s.D[5]++ }, nil},
		{"ErrJournalOrder", one(ErrJournalOrder), false, func(s *ondisk.Super) { s.FirstBucket++ }, nil},
		{"ErrJournalEnd", one(ErrJournalEnd), false, func(s *ondisk.Super) {
			s.FirstBucket = 2040
			for i := range s.D[:s.Keys] {
				s.D[i] = 2040 + uint64(i)
			}
		}, nil},
		{"ErrFirstBucket", one(ErrFirstBucket, ErrJournalOrder), false, func(s *ondisk.Super) { s.FirstBucket = 0 }, nil},
		{"ErrBucketLog", one(ErrBucketLog, ErrBucketSize, ErrBucketPage, ErrGrown, ErrFirstBucket), false, func(s *ondisk.Super) { s.Version, s.FeatureIncompat, s.BucketSize = 5, 2, 32 }, nil},
		{"ErrReplacement", one(ErrReplacement), false, func(s *ondisk.Super) { s.SetReplacement(3) }, nil},
		{"ErrBucketBlocks", one(ErrBucketBlocks, ErrGrown, ErrFirstBucket, ErrLargePages), false, func(s *ondisk.Super) { s.BucketSize = 8 }, nil},
		{"ErrCacheMode", one(ErrCacheMode), true, func(s *ondisk.Super) { s.SetCacheMode(4) }, nil},
		{"ErrDataPastEnd", one(ErrDataPastEnd), true, func(s *ondisk.Super) { s.Version, s.Nbuckets = 4, 128<<20/512 }, nil},
		{"ErrDataPastEnd", one(ErrDataPastEnd), true, func(s *ondisk.Super) { s.Version, s.Nbuckets = 4, 1<<55+16 }, nil}, // bytes would wrap
		{"ErrAttachedNoSet", one(ErrAttachedNoSet), true, func(s *ondisk.Super) { s.SetUUID = ondisk.UUID{}; s.SetState(ondisk.StateDirty) }, nil},
		{"ErrAttachedNoSet", one(ErrAttachedNoSet), true, func(s *ondisk.Super) { s.SetUUID = ondisk.UUID{}; s.SetState(ondisk.StateClean) }, nil},
		{"ErrObsolete", one(ErrObsolete), false, func(s *ondisk.Super) { s.Version, s.FeatureIncompat = 5, 1 }, nil},
		{"ErrJournalOdd", one(ErrJournalOdd), false, func(s *ondisk.Super) { s.Keys--; s.D[s.Keys] = 0 }, nil},
		{"ErrFirstOdd", one(ErrFirstOdd, ErrGrown, ErrLargePages), false, func(s *ondisk.Super) { s.BucketSize = 16 }, nil},
		{"ErrGrown", one(ErrGrown), false, func(*ondisk.Super) {}, func(d *Device) { d.Size += 128 << 10 }},
		{"ErrLeftovers", one(ErrLeftovers), false, func(s *ondisk.Super) { s.Pad[2] = 1 }, nil},
		{"ErrLeftovers", one(ErrLeftovers), false, func(s *ondisk.Super) { s.D[255] = 1 }, nil},
		{"ErrLeftovers", one(ErrLeftovers), false, func(s *ondisk.Super) { s.ObsoBucketSizeHi = 1 }, nil},
		{"ErrLeftovers", one(ErrLeftovers), false, func(s *ondisk.Super) { s.FeatureIncompat = 2 }, nil},
		{"ErrLeftovers", one(ErrLeftovers), true, func(s *ondisk.Super) { s.D[0] = 1 }, nil},
		{"ErrOldUUIDs", one(ErrOldUUIDs), false, func(s *ondisk.Super) { s.Version = 0 }, nil},
		{"ErrLargePages", one(ErrGrown, ErrLargePages), false, func(s *ondisk.Super) { s.BucketSize = 64 }, nil},
		{"ErrDiscardSet", one(ErrDiscardSet), false, func(s *ondisk.Super) { s.SetDiscard(true) }, nil},
		{"ErrLabel", one(ErrLabel), false, func(s *ondisk.Super) { s.Label = [32]byte{'a', 7} }, nil},
		{"ErrLabel", one(ErrLabel), true, func(s *ondisk.Super) { s.Label = [32]byte{0, 'a'} }, nil},
		{"ErrMountTime", one(ErrMountTime), false, func(s *ondisk.Super) { s.LastMount = 1<<32 - 1 }, func(d *Device) { d.Now = 1<<32 - 86402 }},
		{"ErrSeqZero", one(ErrSeqZero), false, func(s *ondisk.Super) { s.Seq = 0 }, nil},
		// What looks odd and is none.
		{"", nil, false, func(s *ondisk.Super) { s.Keys, s.D = 0, [256]uint64{}; s.SetSync(false); s.Version, s.Seq = 0, 0 }, nil},
		{"", nil, false, func(*ondisk.Super) {}, func(d *Device) { d.Size += 128<<10 - 1 }},
		{"", nil, false, func(s *ondisk.Super) { s.LastMount = 1<<32 - 1 }, func(d *Device) { d.Now = 1<<32 - 86401 }},
		{"", nil, false, func(s *ondisk.Super) { copy(s.Label[:], strings.Repeat("x", 32)) }, nil},
		{"", nil, false, func(s *ondisk.Super) { copy(s.Label[:], "größe") }, nil},
		{"", nil, false, func(s *ondisk.Super) { copy(s.Label[:], "home\nrest") }, nil},
		{"", nil, false, func(s *ondisk.Super) { copy(s.Label[:], "a\tb") }, nil},
		{"", nil, true, func(s *ondisk.Super) { copy(s.Label[:], "\x00\x00me") }, nil}, // echo home > label; echo > label
		{"", nil, false, func(s *ondisk.Super) { s.Version, s.FeatureIncompat, s.BucketSize = 5, 2, 8 }, nil},
		{"", nil, true, func(s *ondisk.Super) { s.Version, s.Nbuckets = 4, 16 }, nil},
		{"", nil, true, func(s *ondisk.Super) { s.Version, s.Nbuckets = 6, 128<<20/512-1 }, nil},
		{"", nil, true, func(s *ondisk.Super) { s.SetUUID = ondisk.UUID{}; s.SetState(ondisk.StateNone) }, nil},
	}
}

func TestCheck(t *testing.T) {
	supers := kernelMade(t)
	for i, c := range checkCases() {
		base, size := supers["empty-registered-cache"], int64(256<<20)
		if c.backing {
			base, size = supers["writeback-dirty-back0"], 128<<20
		}
		s, d := *base, Device{Size: size, LogicalBlock: 512}
		c.edit(&s)
		if c.dev != nil {
			c.dev(&d)
		}
		if s.Csum == base.Csum && c.name != "ErrMagic" { // of a wiped magic the checksum stays the right one's
			s.Csum = s.Checksum()
		}
		faults := Check(&s, d)
		missing := slices.Clone(c.want)
		for _, f := range faults {
			if row, ok := finding.Find(f.Code); !ok || (f.Code.Family() == "BD") != c.backing || row.Code != f.Code {
				t.Errorf("case %d, %s: code %q", i, c.name, f.Code)
			}
			at := slices.IndexFunc(missing, func(w error) bool { return errors.Is(f, w) })
			if at < 0 {
				t.Errorf("case %d, %s: unexpected: %v", i, c.name, f)
				continue
			}
			missing = slices.Delete(missing, at, at+1)
		}
		if len(missing) > 0 {
			t.Errorf("case %d, %s: %v, but not %v", i, c.name, faults, missing)
		}
	}
}

// Every error that Check can give has a case of its name.
func TestCheckHasACaseForEachError(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "check.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, c := range checkCases() {
		have[c.name] = true
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok {
			for _, name := range spec.Names {
				if strings.HasPrefix(name.Name, "Err") {
					n++
					if !have[name.Name] {
						t.Errorf("no case for %s", name.Name)
					}
				}
			}
		}
		return true
	})
	if n < 40 {
		t.Errorf("only %d errors in check.go", n)
	}
}

// Read tells a bcache device from others, and a damaged superblock from none.
func TestRead(t *testing.T) {
	base := *kernelMade(t)["fifo-full-cache"]
	image := func(edit func(s *ondisk.Super)) []byte {
		s := base
		edit(&s)
		return s.Append(make([]byte, ondisk.SuperOffset))
	}
	for _, c := range []struct {
		name string
		dev  []byte
		want error
	}{
		{"sound", image(func(*ondisk.Super) {}), nil},
		{"more behind it", append(image(func(*ondisk.Super) {}), 0), nil},
		{"magic wiped", image(func(s *ondisk.Super) { s.Magic = [16]byte{} }), nil},
		{"checksum wrong", image(func(s *ondisk.Super) { s.Csum++ }), nil},
		{"magic and checksum wrong", image(func(s *ondisk.Super) { s.Magic[0]++; s.Csum++ }), ErrNotBcache},
		{"zeroes", make([]byte, 8192), ErrNotBcache},
		{"one byte short", image(func(*ondisk.Super) {})[:8191], ErrNotBcache},
		{"ends before it", make([]byte, 4096), ErrNotBcache},
		{"empty", nil, ErrNotBcache},
	} {
		s, err := Read(bytes.NewReader(c.dev))
		if !errors.Is(err, c.want) || (s == nil) != (err != nil) {
			t.Errorf("%s: %v, %v", c.name, s, err)
		}
	}
	broken := errors.New("medium error")
	if _, err := Read(failing{broken}); !errors.Is(err, broken) || errors.Is(err, ErrNotBcache) {
		t.Errorf("a medium error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
