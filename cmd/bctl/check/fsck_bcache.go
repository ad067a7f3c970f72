// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
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
	start, done, err := fsckProgress(c)
	if err != nil {
		return err
	}
	defer done()
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

// fsckProgress is -C. done frees what it took: the descriptor is the caller's, so we write to a copy of our own, which
// no garbage collection closes early.
func fsckProgress(c *cli.Context) (start progress.Starter, done func(), err error) {
	done = func() {}
	if !c.IsSet("C") {
		return progress.Silent, done, nil
	}
	fd, err := strconv.Atoi(c.String("C"))
	if err != nil || fd < 0 {
		return nil, nil, app.Usagef("-C %q: not a file descriptor", c.String("C"))
	}
	if fd == 0 {
		if !app.IsTerminal(c.App.ErrWriter) {
			return progress.Silent, done, nil
		}
		return progress.On(c.App.ErrWriter), done, nil
	}
	own, err := syscall.Dup(fd)
	if err != nil {
		return nil, nil, app.Usagef("-C %d: %v", fd, err)
	}
	w := os.NewFile(uintptr(own), "progress")
	return progress.Lines(w, c.Args().First()), func() { w.Close() }, nil
}
