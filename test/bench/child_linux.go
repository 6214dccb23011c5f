package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/test/internal/program"
	"code.hybscloud.com/iofd/test/internal/try"
)

// roles are what children do.
var roles = map[string]func(argument string) error{
	"measure": trying(func(argument string) { answer(argument, measureAll) }),
	"variant": trying(func(argument string) { answer(argument, measureVariant) }),
	"first":   trying(firstTimes),
	"echo":    trying(echo),
	"signals": trying(sendSignals),
	"receive": trying(receive),
}

func trying(do func(argument string)) func(argument string) error {
	return func(argument string) error { return try.Run(func() { do(argument) }) }
}

// inChild runs this program once more, for a task. It returns the report that [answer]
// writes.
func inChild(role string, t task, env ...string) *report {
	cmd := try.Get(program.Child(role, string(try.Get(json.Marshal(t)))))
	cmd.Env = append(cmd.Env, env...)
	all := new(report)
	try.Check(json.Unmarshal(try.Get(cmd.Output()), all))
	return all
}

func answer(argument string, measure func(task) *report) {
	var t task
	try.Check(json.Unmarshal([]byte(argument), &t))
	try.Check(json.NewEncoder(os.Stdout).Encode(measure(t)))
}

// A variant is a way that takes a process of its own. The process measures the library's
// way beside the yardstick, because the times of two processes do not compare well.
type variant struct {
	name    string
	env     string
	blocked signalfd.Set
}

var atomicCount = &variant{name: "iofd (atomic count)", env: "IOFD_REFCOUNT=atomic"}

// measureVariant measures the first two ways of a row. If signals are to be blocked, Block
// starts this program again.
func measureVariant(t task) *report {
	r := rowNamed(t.Run)
	if set := r.variant.blocked; !set.Empty() {
		try.Check(signalfd.Block(set))
	}
	r.variant = nil
	open := r.open
	r.open = func(o *opened) []way { return open(o)[:2] }
	return measureRows([]row{r}, t.Span)
}

// rowNamed returns the row that a child was started for.
func rowNamed(name string) row {
	return matching(rows(), "^"+regexp.QuoteMeta(name)+"$", func(r row) string { return r.name })[0]
}

// startChild runs this program once more, until the end of the row. The files are the
// child's descriptors from 3. startChild returns the standard input of the child.
func startChild(o *opened, role, argument string, files ...*os.File) io.Writer {
	cmd := try.Get(program.Child(role, argument))
	cmd.ExtraFiles = files
	in := try.Get(cmd.StdinPipe())
	try.Check(cmd.Start())
	var done atomic.Bool
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		if !done.Load() {
			// A way that waits for the child would never return.
			program.Exit(fmt.Errorf("%v ended too early", cmd))
		}
		close(ended)
	}()
	o.atEnd(func() error {
		done.Store(true)
		err := cmd.Process.Kill()
		<-ended
		return err
	})
	return in
}

// endWithInput ends this child when its input ends, because its parent has ended.
func endWithInput() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

//go:embed wake/wake.c
var wakeSource []byte

// inC returns the same work in C, or adds a note why it is missing.
func inC(o *opened, name, argument string) (ways []way) {
	err := try.Run(func() {
		cc := try.Get(exec.LookPath("cc"))
		dir := try.Get(os.MkdirTemp("", "iofd-bench-"))
		o.atEnd(func() error { return os.RemoveAll(dir) })
		program := filepath.Join(dir, "wake")
		try.Check(os.WriteFile(program+".c", wakeSource, 0o600))
		try.Check(exec.Command(cc, "-O2", "-pthread", "-o", program, program+".c").Run())
		ways = []way{{name: name, run: func(n int) float64 {
			out := try.Get(exec.Command(program, argument, strconv.Itoa(n)).Output())
			return try.Get(strconv.ParseFloat(strings.TrimSpace(string(out)), 64))
		}}}
	})
	if err != nil {
		o.note("the way in C is missing: %v", err)
	}
	return ways
}
