// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bctl/internal/hint"

	"github.com/urfave/cli/v2"
)

// lineApp has one command with every kind of flag.
func lineApp() *cli.App {
	return &cli.App{Name: "bctl", Flags: globalFlags(), Commands: []*cli.Command{{
		Name: "format",
		Flags: []cli.Flag{
			DeviceList("cache", "C", ""),
			DeviceList("bdev", "B", ""),
			&cli.StringFlag{Name: "bucket", Aliases: []string{"b"}},
			&cli.StringFlag{Name: "label", Aliases: []string{"l"}},
			&cli.StringFlag{Name: "cset-uuid"},
			&cli.StringFlag{Name: "cache-replacement-policy", Aliases: []string{"cache_replacement_policy"}},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}},
		},
	}, {Name: "fsck"}}}
}

func TestParseLine(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"fsck img", "fsck -- img"},
		{"fsck img --json", "--json fsck -- img"},
		{"--json fsck img", "--json fsck -- img"},
		{"--json fsck img --js", "--json fsck -- img"},
		{"fsck h", "fsck -- h"},
		{"fsck help", "fsck -- help"},
		{"fsck -- -n --json", "fsck -- -n --json"},
		{"-- fsck --json", "fsck -- --json"},
		{"fsck -", "fsck -- -"},
		{"format img -nfv", "format --dry-run --force --verbose -- img"},
		{"format -nb512k img", "format --dry-run --bucket=512k -- img"},
		{"format -nb 512k img", "format --dry-run --bucket=512k -- img"},
		{"format img --bucket 512k", "format --bucket=512k -- img"},
		{"format --label -x img", "format --label=-x -- img"},
		{"format --label= img", "format --label= -- img"},
		{"format --cset=1 img", "format --cset-uuid=1 -- img"},
		{"format --cache_rep=lru", "format --cache-replacement-policy=lru --"},
		{"format --cache-r lru", "format --cache-replacement-policy=lru --"},
		{"format --force -f img", "format --force -- img"},
		{"format -b 1 --bucket=1", "format --bucket=1 --"},
		{"format -C a -B b --force c", "format --cache=a --bdev=b --force --bdev=c --"},
		{"format --cache=a -B b", "format --cache=a --bdev=b --"},
		{"format a -C b", "format --cache=b -- a"},
		{"format -Cf b", "format --force --cache=b --"},
		{"-q format --q", "--quiet format --"},
		{"", ""},
	} {
		l, err := parseLine(lineApp(), strings.Fields(test.typed))
		if err != nil {
			t.Errorf("bctl %s: %v", test.typed, err)
			continue
		}
		if got := l.argv("bctl")[1:]; !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("bctl %s: read as %q, want %s", test.typed, got, test.want)
		}
	}
}

func TestParseLineRefuses(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"fsk img", "unknown command fsk; did you mean fsck?"},
		{"xyzzy img", "unknown command xyzzy"},
		{"-n fsck img", "unknown flag -n"},
		{"fsck --bucket=1 img", "unknown flag --bucket"},
		{"fsck --jsn img", "unknown flag --jsn; did you mean --json?"},
		{"fsck -json img", "unknown flag -j; did you mean --json?"},
		{"format -nxf img", "unknown flag -x"},
		{"format --b", "--b is ambiguous: --bdev, --bucket"},
		{"format --bucket", "--bucket needs a value"},
		{"format img -b", "-b needs a value"},
		{"format img -nb", "-b needs a value"},
		{"format -b=1 img", "-b=1: the value comes without =; write -b 1"},
		{"format --force=yes", "--force takes no value"},
		{"format -b 1 img --bucket=2", "--bucket is given twice: 1 and 2"},
		{"--format csv fsck img --format json", "--format is given twice: csv and json"},
		{"format -C -B b", "--cache: no device given"},
		{"format --=1", "unknown flag --"},
		{"format --n img", "unknown flag --n"},
	} {
		_, err := parseLine(lineApp(), strings.Fields(test.typed))
		var usage usageError
		if !errors.As(err, &usage) || said(err) != test.want {
			t.Errorf("bctl %s: %v, want %s", test.typed, err, test.want)
		}
	}
}

// said is a message and its hint.
func said(err error) string {
	if way := hint.Of(err); way != "" {
		return err.Error() + "; " + way
	}
	return err.Error()
}

func TestHelpCommand(t *testing.T) {
	for typed, want := range map[string]string{"help": "", "help fsck": "fsck", "fsck -h": "fsck", "fsck img --help": "fsck"} {
		l, err := parseLine(lineApp(), strings.Fields(typed))
		if err != nil || !l.given("help") {
			t.Errorf("bctl %s: no help: %v", typed, err)
			continue
		}
		if l.cmd == nil && want != "" || l.cmd != nil && l.cmd.Name != want {
			t.Errorf("bctl %s: help of %v", typed, l.cmd)
		}
	}
}

// Whatever is typed: it is refused as bad usage, or cli reads what was read here.
func FuzzParseLine(f *testing.F) {
	for _, seed := range []string{"format\n-nfvb\n512k\na", "format\n-C\na\n-B\nb\n--\n-c", "--json\nfsck\n--js\n--", "help\nformat", "format\n--label=\n-", "format\n--=\n-\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		app := lineApp()
		l, err := parseLine(app, strings.Split(typed, "\n"))
		var usage usageError
		if err != nil {
			if l != nil || !errors.As(err, &usage) {
				t.Fatalf("line %v with error %v", l, err)
			}
			return
		}
		if l.cmd == nil || l.given("help") || l.given("version") {
			return
		}
		var stdout, stderr strings.Builder
		tame(app, &stdout, &stderr)
		l.cmd.Action = func(c *cli.Context) error {
			if got := c.Args().Slice(); !slices.Equal(got, l.operands) {
				t.Errorf("operands %q, want %q", got, l.operands)
			}
			for o, values := range l.seen {
				if o.devs && !slices.Equal(c.StringSlice(o.names[0]), values) {
					t.Errorf("%s is %q, want %q", o.names[0], c.StringSlice(o.names[0]), values)
				} else if o.value && !o.list && c.String(o.names[0]) != values[0] {
					t.Errorf("%s is %q, want %q", o.names[0], c.String(o.names[0]), values[0])
				} else if !o.value && !c.Bool(o.names[0]) {
					t.Errorf("%s is not set", o.names[0])
				}
			}
			return nil
		}
		if err := app.Run(l.argv(app.Name)); err != nil || stdout.Len()+stderr.Len() > 0 {
			t.Errorf("cli says %v, %q, %q", err, stdout.String(), stderr.String())
		}
	})
}
