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
)

// childMark is the environment variable that tells a child what it is for.
const childMark = "IOFD_BENCH_CHILD"

// runChild does a child's part, if this process is one.
func runChild() (isChild bool, err error) {
	role, isChild := os.LookupEnv(childMark)
	if !isChild {
		return false, nil
	}
	role, argument, _ := strings.Cut(role, ":")
	switch role {
	case "lane":
		return true, serveRow(argument)
	case "echo":
		return true, echo(argument)
	case "signals":
		return true, sendSignals()
	case "receive":
		return true, receive()
	}
	return true, fmt.Errorf("no child is for %q", role)
}

// A child is a process that works with this one until its standard input ends.
type child struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// startChild starts this program once more; files are its descriptors 3 and on.
func startChild(o *opened, role string, env []string, files ...*os.File) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), env...), childMark+"="+role)
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
			// Who waits for a sign of it would do so for good.
			exit(fmt.Errorf("%v has ended too early", cmd))
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

// way returns a way that the child runs and times by its own clock.
func (c *child) way(name string) way {
	return way{name: name, run: func(n int) (lap, error) {
		answer, err := c.ask("run", n)
		return lap{time.Duration(answer[0]), time.Duration(answer[1])}, err
	}}
}

// ask returns the answer to a question: up to two numbers.
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
// as times of two processes do not compare well.
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
			// The parent was at work meanwhile: the first lap warms the caches.
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

// endWithInput ends a child that has no other use for its input.
func endWithInput() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

// sharedLane returns the library's way of a row, in a child in which the
// environment forbids the lane that belongs to one goroutine.
func sharedLane(o *opened, row string) (way, error) {
	c, err := startChild(o, "lane:"+row, []string{"IOFD_REFCOUNT=atomic"})
	if err != nil {
		return way{}, err
	}
	w := c.way("iofd (shared lane)")
	w.allocs = func(n int) (float64, error) {
		answer, err := c.ask("allocs", n)
		return answer[0], err
	}
	return w, nil
}

func serveRow(name string) error {
	for _, r := range rows() {
		if r.name != name {
			continue
		}
		var o opened
		ways, err := r.open(&o)
		if err != nil {
			return err
		}
		return serve(ways[0], ways[1])
	}
	return fmt.Errorf("no row is called %q", name)
}
