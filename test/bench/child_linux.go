package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/program"
)

// roles are what children do.
var roles = map[string]func(argument string) error{
	"measure": measureChild,
	"first":   firstChild,
	"row":     serveRow,
	"blocked": serveBlocked,
	"echo":    echo,
	"signals": func(string) error { return sendSignals() },
	"receive": func(string) error { return receive() },
}

// output runs this program once more, and returns what it prints.
func output(role, argument string, stderr io.Writer) ([]byte, error) {
	cmd, err := program.Child(role, argument)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = stderr
	return cmd.Output()
}

// A child is a process that works with this one until its standard input ends.
type child struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// startChild starts this program once more. The files are its descriptors from 3.
func startChild(o *opened, role string, env []string, files ...*os.File) (*child, error) {
	role, argument, _ := strings.Cut(role, ":")
	cmd, err := program.Child(role, argument)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.ExtraFiles = files
	return start(o, cmd)
}

func start(o *opened, cmd *exec.Cmd) (*child, error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var done atomic.Bool
	ended := make(chan error, 1)
	go func() {
		_, err := cmd.Process.Wait()
		if !done.Load() {
			// A way that waits for the child would never return.
			program.Exit(fmt.Errorf("%v ended too early", cmd))
		}
		ended <- err
	}()
	o.atEnd(func() error {
		done.Store(true)
		_ = in.Close()
		err := <-ended
		_ = out.Close()
		return err
	})
	return &child{in, bufio.NewReader(out)}, nil
}

// way returns a way that the child runs and times.
func (c *child) way(name string) way {
	return way{name: name, run: func(n int) (lap, error) {
		answer, err := c.ask("run", n)
		return lap{time.Duration(answer[0]), time.Duration(answer[1])}, err
	}}
}

// ask returns the answer of the child, at most two numbers.
func (c *child) ask(what string, n int) (answer [2]float64, err error) {
	if _, err := fmt.Fprintln(c.in, what, n); err != nil {
		return answer, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return answer, err
	}
	for i, number := range strings.Fields(line) {
		if answer[i], err = strconv.ParseFloat(number, 64); err != nil {
			return answer, err
		}
	}
	return answer, nil
}

// serve answers [child.ask] until the input ends. It runs w beside a yardstick,
// because the times of two processes do not compare well.
func serve(yardstick, w way) error {
	for asked := 0; ; asked++ {
		var (
			what   string
			n      int
			answer [2]float64
		)
		_, err := fmt.Fscanln(os.Stdin, &what, &n)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		switch what {
		case "run":
			// The parent has used the processor until now. The first lap warms the caches.
			pair := []way{w, yardstick, w}
			if asked%2 == 1 {
				pair = []way{yardstick, w, yardstick}
			}
			if _, err := pair[0].run(n/4 + 1); err != nil {
				return err
			}
			for i := 1; i <= 2; i++ {
				l, err := pair[i].run(n)
				if err != nil {
					return err
				}
				answer[(i+asked)%2] = float64(l.time)
			}
		case "allocs":
			if answer[0], err = w.allocs(n); err != nil {
				return err
			}
		}
		fmt.Println(answer[0], answer[1])
	}
}

// endWithInput ends this child when its input ends.
func endWithInput() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

// atomicCount returns the library's way of a row, in a child that uses the atomic
// reference count only. IOFD_LANE is the name of the setting in iofd 0.1.
func atomicCount(o *opened, row string) (way, error) {
	c, err := startChild(o, "row:"+row, []string{"IOFD_REFCOUNT=atomic", "IOFD_LANE=shared"})
	if err != nil {
		return way{}, err
	}
	return c.rowWay("iofd (atomic count)"), nil
}

// blockedWay returns the library's way of a row, in a child that blocks the signals of the row.
func blockedWay(o *opened, name, row string) (way, error) {
	c, err := startChild(o, "blocked:"+row, nil)
	if err != nil {
		return way{}, err
	}
	return c.rowWay(name), nil
}

// rowWay is way with the allocations that serve counts.
func (c *child) rowWay(name string) way {
	w := c.way(name)
	w.allocs = func(n int) (float64, error) {
		answer, err := c.ask("allocs", n)
		return answer[0], err
	}
	return w
}

func serveRow(name string) error {
	var o opened
	ways, err := openRow(&o, name)
	if err != nil {
		return err
	}
	return serve(ways[0], ways[1])
}

// serveBlocked is serveRow with the row's signals blocked. Block starts this program again.
func serveBlocked(name string) error {
	for _, r := range rows() {
		if r.name == name {
			if err := signalfd.Block(r.blocked); err != nil {
				return err
			}
		}
	}
	return serveRow(name)
}

// openRow returns the ways of the row with this name.
func openRow(o *opened, name string) ([]way, error) {
	for _, r := range rows() {
		if r.name == name {
			return r.open(o)
		}
	}
	return nil, fmt.Errorf("no row has the name %q", name)
}
