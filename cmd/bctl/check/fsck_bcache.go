// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/ui/progress"
)

const fsckBcacheDescription = `What fsck(8) runs for a device of type bcache: bctl fsck, with the flags that fsck passes on. A backing device is
checked for what it has, and is fine if that is sane. Nothing is ever written.

Examples:

    fsck.bcache /dev/nvme0n1p3
    fsck.bcache -a -C0 /dev/sda1
`

// FsckBcacheCommand takes fsck(8)'s flags. -a is what boot scripts pass: check, and repair what is safe; as nothing is
// repaired yet it checks, and the exit code tells. Whoever asks for repair by name, with -p or -y, is told the truth.
func FsckBcacheCommand() *cli.Command {
	return &cli.Command{
		Name:        "fsck.bcache",
		Usage:       "check a bcache device, as fsck(8) asks for it",
		ArgsUsage:   "DEVICE [BACKING...]",
		Description: fsckBcacheDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "a", Usage: "check at boot: as without flags, since bctl cannot repair yet"},
			&cli.BoolFlag{Name: "n", Usage: "check only: the default"},
			&cli.BoolFlag{Name: "preen", Aliases: []string{"p"}, Usage: "repair what is safe (refused: bctl cannot repair yet)"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "repair everything (refused: bctl cannot repair yet)"},
			&cli.BoolFlag{Name: "f", Usage: "check even if it looks clean: always done"},
			&cli.BoolFlag{Name: "v", Usage: "say how the check is done on stderr"},
			&cli.StringFlag{Name: "C", Usage: "progress: a bar if `FD` is 0, else lines \"pass done of device\" to that descriptor"},
			&cli.BoolFlag{Name: "r", Usage: "report time and memory on stderr"},
			&cli.BoolFlag{Name: "t", Usage: "report time on stderr"},
			&cli.BoolFlag{Name: "json", Usage: "write JSON"},
		},
		Action: fsckBcache,
	}
}

func fsckBcache(c *cli.Context) error {
	start, err := fsckProgress(c)
	if err != nil {
		return err
	}
	began := time.Now()
	if c.Bool("v") {
		fmt.Fprintf(c.App.ErrWriter, "fsck.bcache %s, read only\n", app.Version)
	}
	err = runFsck(c, fsckRun{start: start})
	if c.Bool("t") || c.Bool("r") {
		fmt.Fprintf(c.App.ErrWriter, "%s: %.2f s\n", c.Args().First(), time.Since(began).Seconds())
	}
	if c.Bool("r") {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintf(c.App.ErrWriter, "%s: %.1f MiB of memory\n", c.Args().First(), float64(m.Sys)/(1<<20))
	}
	return err
}

func fsckProgress(c *cli.Context) (progress.Starter, error) {
	if !c.IsSet("C") {
		return progress.Silent, nil
	}
	fd, err := strconv.Atoi(c.String("C"))
	if err != nil || fd < 0 {
		return nil, app.Usagef("-C %q: not a file descriptor", c.String("C"))
	}
	if fd == 0 {
		if !app.IsTerminal(c.App.ErrWriter) {
			return progress.Silent, nil
		}
		return progress.On(c.App.ErrWriter), nil
	}
	var w io.Writer = os.NewFile(uintptr(fd), "progress")
	return progress.Lines(w, c.Args().First()), nil
}
