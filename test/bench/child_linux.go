package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

// roles are what children do.
var roles = map[string]func(argument string) error{
	"measure": measureChild,
	"first":   firstChild,
	"row":     serveRow,
	"blocked": serveBlocked,
	"echo":    echo,
	"signals": func(string) error { return try.Run(sendSignals) },
	"receive": func(string) error { return try.Run(receive) },
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
func startChild(o *opened, role, argument string, files []*os.File, env ...string) child {
	cmd := try.Get(program.Child(role, argument))
	cmd.Env = append(cmd.Env, env...)
	cmd.ExtraFiles = files
	return start(o, cmd)
}

func start(o *opened, cmd *exec.Cmd) child {
	cmd.Stderr = os.Stderr
	in := try.Get(cmd.StdinPipe())
	out := try.Get(cmd.StdoutPipe())
	try.Check(cmd.Start())
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
	return child{in, bufio.NewReader(out)}
}

// inC returns the same work in C, or adds a note why it is missing.
func inC(o *opened, name, argument string) (ways []way) {
	err := try.Run(func() {
		ways = []way{start(o, exec.Command(compile(o), argument)).way(name)}
	})
	if err != nil {
		o.note("the way in C is missing: %v", err)
	}
	return ways
}

//go:embed wake/wake.c
var wakeSource []byte

func compile(o *opened) (program string) {
	cc := try.Get(exec.LookPath("cc"))
	dir := try.Get(os.MkdirTemp("", "iofd-bench-"))
	o.atEnd(func() error { return os.RemoveAll(dir) })
	program = filepath.Join(dir, "wake")
	try.Check(os.WriteFile(program+".c", wakeSource, 0o600))
	try.Check(exec.Command(cc, "-O2", "-pthread", "-o", program, program+".c").Run())
	return program
}

// way returns a way that the child runs and times.
func (c child) way(name string) way {
	return way{name: name, run: func(n int) lap {
		answer := c.ask("run", n)
		return lap{time.Duration(answer[0]), time.Duration(answer[1])}
	}}
}

// rowWay is way with the allocations that serve counts.
func (c child) rowWay(name string) way {
	w := c.way(name)
	w.allocs = func(n int) float64 { return c.ask("allocs", n)[0] }
	return w
}

// ask returns the answer of the child, at most two numbers.
func (c child) ask(what string, n int) (answer [2]float64) {
	try.Get(fmt.Fprintln(c.in, what, n))
	for i, number := range strings.Fields(try.Get(c.out.ReadString('\n'))) {
		answer[i] = try.Get(strconv.ParseFloat(number, 64))
	}
	return answer
}

// serve answers [child.ask] until the input ends. It runs w beside a yardstick,
// because the times of two processes do not compare well.
func serve(yardstick, w way) {
	for asked := 0; ; asked++ {
		var (
			what   string
			n      int
			answer [2]float64
		)
		if _, err := fmt.Fscanln(os.Stdin, &what, &n); err == io.EOF {
			return
		} else {
			try.Check(err)
		}
		switch what {
		case "run":
			// The parent has used the processor until now. The first lap warms the caches.
			pair := []way{w, yardstick, w}
			if asked%2 == 1 {
				pair = []way{yardstick, w, yardstick}
			}
			pair[0].run(n/4 + 1)
			for i := 1; i <= 2; i++ {
				answer[(i+asked)%2] = float64(pair[i].run(n).time)
			}
		case "allocs":
			answer[0] = w.allocs(n)
		}
		fmt.Println(answer[0], answer[1])
	}
}

// serveRow serves the library's way of a row.
func serveRow(name string) error {
	return using(func(o *opened) {
		ways := rowNamed(name).open(o)
		serve(ways[0], ways[1])
	})
}

// serveBlocked is serveRow with the row's signals blocked. Block starts this program again.
func serveBlocked(name string) error {
	if err := signalfd.Block(rowNamed(name).blocked); err != nil {
		return err
	}
	return serveRow(name)
}

// rowNamed returns the row that a child was started for.
func rowNamed(name string) row {
	for _, r := range rows() {
		if r.name == name {
			return r
		}
	}
	panic("no row has the name " + name)
}

// endWithInput ends this child when its input ends.
func endWithInput() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}
