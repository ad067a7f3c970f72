// SPDX-License-Identifier: GPL-2.0-only

package hint

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

// A shell reads back what was quoted, and nothing of it speaks to a terminal.
func TestQuote(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	for _, s := range []string{"/dev/sda1", "", "a b", "it's", "$HOME `id` \"x\" *", "ümlaut 日本", "esc\x1b[31m", "c1\x9b0;\u009b1", "new\nline\r", `back\slash'` + "\a", "\xff\xfe", "-n"} {
		quoted := Quote(s)
		if strings.IndexFunc(quoted, unicode.IsControl) >= 0 || strings.ToValidUTF8(quoted, "") != quoted {
			t.Errorf("%q is quoted %q", s, quoted)
		}
		out, err := exec.Command(bash, "-c", "printf '%s' "+quoted).Output()
		if string(out) != s && s != "-n" || err != nil {
			t.Errorf("%q comes back as %q (%v)", s, out, err)
		}
	}
	if q := Quote("/dev/disk/by-id/x_1.2+3"); q != "/dev/disk/by-id/x_1.2+3" {
		t.Errorf("%q is quoted", q)
	}
}
