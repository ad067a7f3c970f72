// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"regexp"
	"slices"
	"strings"
)

// The words of a verdict: what came of the registration, and what of the volumes' contents.
const (
	verdictRefuses  = "refuses"
	verdictRefuses2 = "refuses the backing device"
	verdictDies     = "**dies**"
	verdictHangs    = "**hangs**"
	verdictStop     = "**cannot be stopped**"
	verdictTakes    = "registers"
	dataSame        = "same data"
	dataOther       = "**other data**"
	dataGone        = "**no volume**"
)

// verdict is what the kernel made of a trial, in a few words: what it did, what it serves compared with the sound set,
// and the worst that it said.
func (d trial) verdict(sound *Case) string {
	words := []string{d.outcome()}
	quoted := [][]*regexp.Regexp{slices.Concat(dying, warning), reasons}
	switch words[0] {
	case verdictRefuses:
		quoted = quoted[1:] // its allocator may die yet, or be quicker: a matter of luck
	case verdictTakes:
		words = append(words, d.data(sound)...)
		if _, ok := d.said.Facts["unstoppable"]; ok {
			words = append(words, verdictStop)
		}
	}
	what := strings.Join(words, ", ")
	if said := quote(d.said.Log, quoted); len(said) > 0 {
		what += ": " + strings.Join(said, ", ")
	}
	return what
}

// outcome is what became of the task that registered the set.
func (d trial) outcome() string {
	_, tried := d.said.Facts["tried"]
	_, lost := d.said.Facts["lost"]
	if !tried || lost {
		if slices.ContainsFunc(d.said.Log, isDeath) {
			return verdictDies
		}
		return verdictHangs
	}
	outcome := verdictTakes
	for key, v := range d.said.Facts {
		switch {
		case v[0] != "no":
		case strings.HasPrefix(key, "registered.c"):
			return verdictRefuses
		case strings.HasPrefix(key, "registered.b"):
			outcome = verdictRefuses2
		}
	}
	return outcome
}

// data compares the contents of the volumes with those of the sound set. A set without any has nothing to say.
func (d trial) data(sound *Case) []string {
	want, got := sound.sums(), d.said.sums()
	if len(want) == 0 {
		return nil
	}
	word := dataSame
	for volume, sum := range want {
		switch {
		case got[volume] == "":
			return []string{dataGone}
		case got[volume] != sum:
			word = dataOther
		}
	}
	return []string{word}
}

// sums are those of the volumes, by a name that does not depend on the trial's number.
func (c *Case) sums() map[string]string {
	sums := map[string]string{}
	for key, v := range c.Facts {
		if disk, ok := strings.CutPrefix(key, "sum.b"); ok {
			_, i, _ := strings.Cut(disk, ".")
			sums["backing "+i] = v[0]
		} else if strings.HasPrefix(key, "flash_sum.") {
			sums[key] = v[0]
		}
	}
	return sums
}

// What a verdict quotes of a log, the worst first: what ended a task, what is a warning, and bcache's own words.
var (
	dying = []*regexp.Regexp{
		regexp.MustCompile(`kernel BUG at \S+`),
		regexp.MustCompile(`(BUG: [^s]|Oops: |general protection fault).*`), // a soft lockup is a matter of time
	}
	warning = []*regexp.Regexp{regexp.MustCompile(`WARNING: .* at \S+`)}
	reasons = []*regexp.Regexp{
		regexp.MustCompile(`bcache: .*disabling caching.*`),
		regexp.MustCompile(`bcache: .*(error|bad |missing|inconsistent|invalid|corrupt|unsupported|stale|too |not enough).*`),
	}
)

func isDeath(line string) bool {
	return slices.ContainsFunc(dying, func(re *regexp.Regexp) bool { return re.MatchString(line) })
}

// varying is what differs from run to run.
var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|[0-9a-f]{16}|[0-9]+|\bvd[a-z]+`)

// frame is what bcache says around the reason.
var frame = regexp.MustCompile(`^bcache: (bch_cache_set_error\(\) error on \S+: (bcache: )?|register_bcache\(\) error :? ?|\w+\(\) )|, disabling caching`)

// quote is the worst line of each kind that a log has, with # for what varies.
func quote(log []string, kinds [][]*regexp.Regexp) (words []string) {
	for _, kind := range kinds {
		for _, re := range kind {
			i := slices.IndexFunc(log, func(line string) bool { return re.MatchString(line) && !innocent.MatchString(line) })
			if i >= 0 {
				line := varying.ReplaceAllString(frame.ReplaceAllString(re.FindString(log[i]), ""), "#")
				words = append(words, "`"+strings.ReplaceAll(strings.Join(strings.Fields(line), " "), "|", "/")+"`")
				break
			}
		}
	}
	return words
}
