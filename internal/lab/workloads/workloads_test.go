// SPDX-License-Identifier: GPL-2.0-only

package workloads

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
)

// The requests are those that the kernels were given, byte for byte: the sums are of logs that the recipes' own
// program wrote.
func TestMake(t *testing.T) {
	for _, c := range []struct {
		kind string
		seed uint64
		n    int
		gap  int
		want string
	}{
		{"read", 21, 25000, 0, "152e31b6e674feab19170f99973f83961603023ae2b664d44a0526473cb320a9"},
		{"mixed", 28, 20000, 6000, "cf803d380ca7058432b01769c6b88ed2a65573bd20e7bfd598e8c652c05e3923"},
		{"scan", 24, 25000, 0, "5d9612610a11b6969190165104f3b7c1d2e879b16fc5fbbbfb6ff5e3c55947e4"},
		{"streams", 25, 20000, 0, "fb02cacbce6be3cd1843f9adc6592295dd43329303ecb625472a2606c8682066"},
		{"read4k", 31, 20000, 0, "ae88d7f6a79ade7a7e27c097408a47b44db5be4047ccd493cf71bc1fa760bd5f"},
		{"loop", 32, 14000, 0, "ce4f558407fa598aad0c06a38fa9b0c28926288a0300a223ba38244397bc2277"},
		{"read", 5000000000, 1000, 0, "04b843bad049492aa56ea462bfd48ecfe7910a0215f96e45994292a22d570c91"},
	} {
		ops, err := Make(c.kind, c.seed, c.n)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := WriteFio(&b, ops, c.gap); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b.Bytes())); got != c.want {
			t.Errorf("%s, seed %d: sum %s, want %s", c.kind, c.seed, got, c.want)
		}
	}
	if _, err := Make("none", 1, 1); err == nil {
		t.Error("a workload of no kind")
	}
}
