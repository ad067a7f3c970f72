// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	passes "bctl/fsck"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/truth"
)

// What steers TestEveryRepair: a regular expression of damages, and how many of each class an image gets.
const (
	envDamages = "BCTL_KERNEL_DAMAGES"
	envMany    = "BCTL_KERNEL_MANY"
)

// TestEveryRepair lets the kernels judge repairs of images that the catalogue was not made for (BCTL_IMAGES): some
// damages of each class of codes, each alone and two at once, others for each kernel and image. They must register what
// fsck -y made of them without a word, and show the same data where it gave none up, but for what the damage itself changes.
func TestEveryRepair(t *testing.T) {
	if !imgtest.Elsewhere() {
		t.Skip("as long as one likes: set BCTL_IMAGES to a folder of images")
	}
	needLab(t)
	many := 1
	if s := os.Getenv(envMany); s != "" {
		var err error
		if many, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	only := regexp.MustCompile(os.Getenv(envDamages))
	for _, series := range judges() {
		k := needKernel(t, series)
		if k.Image == "" {
			continue
		}
		for _, name := range imgtest.AllNames(t) {
			t.Run(series+"/"+name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(crc32.ChecksumIEEE([]byte(series+name))), 1))
				done, _ := repairAll(t, chooseDamages(t, name, many, only, r))
				verdicts := judgeRepaired(t, k, done)
				for _, m := range done {
					v := verdicts[m.Name]
					why, _ := m.fault(t, v)
					if t.Logf("%s: %s%s", m.Name, v.word, m.price); why != "" {
						t.Errorf("linux %s: %s, repaired: %s%s: %s", series, m.Name, v.word, m.price, why)
					}
				}
			})
		}
	}
}

// fault says what is wrong with a kernel's verdict, and whether it serves other data because the damage planted them.
func (m *mended) fault(t *testing.T, v judged) (why string, planted bool) {
	t.Helper()
	if m.price != "" || v.word != verdictTakes+", "+dataOther {
		return mustTake(v.word, m.price), false
	}
	why = m.planting(t, v.said)
	return why, why == ""
}

// planting says what is wrong with it that a kernel serves other data of a repaired set; "" where the damage itself planted
// or took the keys of all that differs, and the kernel shows what bctl does.
func (m *mended) planting(t *testing.T, said *Case) string {
	t.Helper()
	whole, damaged := openScene(t, m.planted), openScene(t, m.planted)
	m.planted.Plant(damaged)
	_, before := given(damaged)
	_, undamaged := given(whole)
	was, err := truth.Of(undamaged)
	if err != nil {
		t.Fatal(err)
	}
	r, err := planRepair(before)
	if err != nil {
		t.Fatal(err)
	}
	if bad := truth.Compare(was, truth.Against(whole, damaged), before, truth.After(r, before), r); len(bad) > 0 {
		return strings.Join(bad, "; ")
	}
	disks := saveScene(t, m.Damage, filepath.Join(t.TempDir(), "set"), 0)
	c := openCache(t, disks[0].Path)
	for volume, sum := range said.sums() {
		want, n := "", 0
		if _, err := fmt.Sscanf(volume, "backing %d", &n); err == nil {
			want = c.sumBacked(t, disks[1+n].Path)
		} else if _, err := fmt.Sscanf(volume, "flash_sum.%d", &n); err == nil {
			want = c.sumFlash(t, uint32(n))
		}
		if sum != want {
			return fmt.Sprintf("%s: the kernel shows something else than bctl", volume)
		}
	}
	return ""
}

// chooseDamages takes some damages of each class that fsck finds in an image, and pairs of them.
func chooseDamages(t *testing.T, name string, many int, only *regexp.Regexp, r *rand.Rand) (list []damages.Damage) {
	t.Helper()
	all := slices.Concat(damages.Tried, damages.Proved())
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	taken := map[string]int{}
	for _, d := range all {
		if len(d.Codes) == 0 || !only.MatchString(d.Name) {
			continue
		}
		class := string(d.Codes[0][:2])
		if taken[class] >= many {
			continue
		}
		if d = elsewhere(name, d); !plants(t, d) {
			continue
		}
		taken[class]++
		list = append(list, d)
	}
	pairs := []damages.Damage{}
	for i := range list {
		if d := both(list[i], list[(i+1)%len(list)]); i%2 == 0 && plants(t, d) {
			pairs = append(pairs, d)
		}
	}
	return slices.Concat(list, pairs)
}

// elsewhere is a damage planted in an image that it was not made for.
func elsewhere(name string, d damages.Damage) damages.Damage {
	was := d.Plant
	d.Base = name
	d.Plant = func(s *damages.Scene) {
		_ = planter.Try(func(tb planter.TB) {
			x := damages.New(planter.Open(tb, s.Image), s.Back...)
			was(x)
			s.Main, s.Logical, s.Verify = x.Main, x.Logical, x.Verify
		})
	}
	return d
}

// both plants one damage, and another in what came of it.
func both(a, b damages.Damage) damages.Damage {
	return damages.Damage{Name: a.Name + " + " + b.Name, Base: a.Base, Codes: slices.Concat(a.Codes, b.Codes), Plant: func(s *damages.Scene) {
		a.Plant(s)
		b.Plant(s)
	}}
}

// plants reports whether a damage finds what it damages, and whether it is one then.
func plants(t *testing.T, d damages.Damage) (ok bool) {
	t.Helper()
	s := openScene(t, d)
	func() {
		defer func() { _ = recover() }() // planters of tests end so
		d.Plant(s)
		ok = s.Main == s.Image
	}()
	if !ok || len(s.Main.Broken()) > 0 {
		return false
	}
	_, list := given(s)
	rep, err := passes.Run(t.Context(), list[0], list[1:], passes.Options{Now: damages.Now})
	return err != nil || rep.Result == passes.Damaged
}
