// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"testing"

	"bctl/internal/lab/damages"
)

func TestVerdictWords(t *testing.T) {
	const sum, other = "aa", "bb"
	tried := map[string][]string{"tried": {""}, "registered.c3": {"yes"}, "registered.b3.0": {"yes"}}
	with := func(more ...string) map[string][]string {
		m := map[string][]string{}
		for k, v := range tried {
			m[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = []string{more[i+1]}
		}
		return m
	}
	sound := &Case{Facts: map[string][]string{"sum.b0.0": {sum}, "flash_sum.2": {sum}}}
	bug := "kernel BUG at drivers/md/bcache/super.c:660!"
	spotted := "bcache: bch_cache_set_error() error on ac2cffaf-356f-4e36-a4be-c2c2abdadf22: spotted extent 0:8 len 16 -> [0:80 gen 3]: bad, disabling caching"
	for _, c := range []struct {
		facts map[string][]string
		log   []string
		want  string
	}{
		{with("sum.b3.0", sum, "flash_sum.2", sum), []string{"bcache: register_cache() registered cache device vda"}, "registers, same data"},
		{with("sum.b3.0", sum, "flash_sum.2", other), nil, "registers, **other data**"},
		{with("flash_sum.2", other), nil, "registers, **no volume**"},
		{with("registered.c3", "no"), []string{"bcache: register_bcache() error : Bad checksum", bug}, "refuses: `Bad checksum`"},
		{with("registered.b3.0", "no"), []string{"bcache: register_bcache() error : Bad UUID"}, "refuses the backing device: `Bad UUID`"},
		{with("unstoppable", ""), []string{spotted, bug}, "registers, **no volume**, **cannot be stopped**: `kernel BUG at drivers/md/bcache/super.c:#!`, `spotted extent #:# len # -> [#:# gen #]: bad`"},
		{with("lost", ""), []string{bug}, "**dies**: `kernel BUG at drivers/md/bcache/super.c:#!`"},
		{with("lost", ""), nil, "**hangs**"},
		{map[string][]string{}, []string{"BUG: soft lockup - CPU#0 stuck for 26s!"}, "**hangs**"},
	} {
		if got := (trial{damages.Damage{}, &Case{Facts: c.facts, Log: c.log}}).verdict(sound); got != c.want {
			t.Errorf("%v %q:\n%s, want\n%s", c.facts, c.log, got, c.want)
		}
	}
}

func TestPageCell(t *testing.T) {
	const page = "\n| one | refuses: `x` | the same | SB01 | registers |\n| two | registers | **dies** |  |  |\n"
	for _, c := range []struct {
		name   string
		kernel int
		want   string
	}{
		{"one", 0, "refuses: `x`"},
		{"one", 1, "refuses: `x`"},
		{"two", 0, "registers"},
		{"two", 1, "**dies**"},
		{"three", 0, ""},
		{"one", afterRepair, "registers"},
		{"two", afterRepair, ""},
		{"three", afterRepair, ""},
	} {
		if got := pageCell(page, c.name, c.kernel); got != c.want {
			t.Errorf("%s of kernel %d: %q, want %q", c.name, c.kernel, got, c.want)
		}
	}
}
