package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// errnos are the errors of refused calls.
var errnos = []unix.Errno{
	unix.EINTR, unix.EAGAIN, unix.EMFILE, unix.ENFILE, unix.ENOMEM,
	unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EIO, unix.EINVAL,
}

// A trial is one operation of the library, with one of the system calls in it
// refused.
type trial struct {
	by   string // the package that makes the call: "fd"
	call string // as the trace names it: "fcntl F_DUPFD_CLOEXEC"
	op   string // what a program calls: "FD.Dup"

	// number is the number of the system call. match selects the calls by their
	// arguments, if not every call with that number is meant.
	number uintptr
	match  func(args *[6]uint64) bool

	// prepare returns the operation, which runs while the call is refused. The
	// operation returns nil only if it succeeded, and may be repeated.
	prepare func(s *setup) func() error

	// once says that the library asks once in a process: each errno gets one process.
	once bool

	// endless says that the operation does not retry EINTR, so EINTR may be refused for
	// ever.
	endless bool

	// first says that calls are refused from the first one on. No filter is tried that
	// comes in the middle of the operation.
	first bool

	// made reports whether this program makes the call at all. nil stands for yes.
	made func() bool

	// racy says that the call is made only if something else is slow. The operation is
	// repeated until the call is made.
	racy bool

	// name is the call's name in errors, if not the first word of call.
	name string

	// swallowed is the entry in the table if EINTR is no error, if not "retried".
	swallowed string

	// also has other correct errors, by their entry in the table.
	also map[string]func(err error, refused unix.Errno) bool
}

// forbidden returns why the call cannot be let through: a container's seccomp(2) filter
// refuses it.
func (t *trial) forbidden() error {
	switch t.number {
	case unix.SYS_KCMP, unix.SYS_PIDFD_GETFD:
		return systest.TryCall(t.number)
	}
	return nil
}

// A setup is the preparation of a trial. Its methods end the trial if they fail.
type setup struct {
	number  int // for page.arm
	checks  []func(err error) error
	cleanup []func()
}

// on counts only the calls whose first argument is number.
func (s *setup) on(number int) { s.number = number }

// check registers f to check, after calls are let through again, the state that the
// operation left behind. err is the operation's.
func (s *setup) check(f func(err error) error) { s.checks = append(s.checks, f) }

// after registers f to check what is left after the operation has failed.
func (s *setup) after(f func() error) {
	s.check(func(err error) error {
		if err == nil {
			return nil
		}
		return f()
	})
}

// later registers f to be called when the trial is over.
func (s *setup) later(f func()) { s.cleanup = append(s.cleanup, f) }

func (s *setup) must(err error) {
	if err != nil {
		panic(setupError{err})
	}
}

type setupError struct{ error }

// closes closes c when the trial is over, and returns it.
func closes[C interface{ Close() error }](s *setup, c C, err error) C {
	s.must(err)
	s.later(func() { _ = c.Close() })
	return c
}

// A cell is the result of a trial with an errno.
type cell struct {
	Outcomes []string // in the order of their first occurrence
	Problems []string // the reasons why the trial fails
}

func (c cell) String() string { return strings.Join(c.Outcomes, ", ") }

func (c *cell) note(outcome string) {
	if !slices.Contains(c.Outcomes, outcome) {
		c.Outcomes = append(c.Outcomes, outcome)
	}
}

// maxCalls is how many calls of an operation are refused one by one.
const maxCalls = 8

// run tries errno. It refuses each call by itself, and each with all that follow it, as
// long as there is one.
func (t *trial) run(p *page, errno unix.Errno) cell {
	var c cell
	for n := 1; n <= maxCalls; n++ {
		// Operations retry EINTR for ever, as package os does. So these refusals end.
		all := n + 2
		if errno != unix.EINTR || t.endless {
			all = forEver
		}
		lasts := []int{n, all}
		switch {
		case t.once:
			lasts = lasts[:1]
		case t.first:
			lasts = lasts[1:]
		}
		made := false
		for _, last := range lasts {
			outcome, refused, err := t.attempt(p, errno, n, last)
			for try := 0; t.racy && refused == 0 && err == nil && try < 500; try++ {
				outcome, refused, err = t.attempt(p, errno, n, last)
			}
			if refused > 0 {
				made = true
				c.note(outcome)
			}
			if err != nil {
				c.Problems = append(c.Problems, fmt.Sprintf("%s: %s with %s from call %d to %d: %v", t.op, t.call, unix.ErrnoName(errno), n, last, err))
			}
			if outcome == hangs {
				return c
			}
		}
		if !made && n == 1 {
			c.Problems = append(c.Problems, fmt.Sprintf("%s makes no %s", t.op, t.call))
		}
		if !made || t.once || t.first {
			break
		}
	}
	return c
}

const hangs = "hangs"

// patience is how long an operation may take. It is not a measurement, because all
// operations take some milliseconds.
const patience = 10 * time.Second

// attempt makes the operation once, with the calls from first to last refused.
func (t *trial) attempt(p *page, errno unix.Errno, first, last int) (outcome string, refused int, problem error) {
	before := systest.OpenDescriptors()
	s := &setup{number: -1}
	defer func() {
		if failed, ok := recover().(setupError); ok {
			problem = errors.Join(problem, fmt.Errorf("preparing: %w", failed.error))
		}
		for _, f := range slices.Backward(s.cleanup) {
			f()
		}
		if left := before.Left(); left != "" {
			problem = errors.Join(problem, fmt.Errorf("left open: %s", left))
		}
	}()
	op := t.prepare(s)
	done := make(chan error, 1)
	p.arm(errno, s.number, first, last)
	go func() { done <- op() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(patience):
		p.disarm()
		<-done
		return hangs, 1, errors.New("it hangs")
	}
	refused = p.disarm()
	outcome, problem = t.judge(err, errno, refused)
	for _, check := range s.checks {
		if err := check(err); err != nil {
			problem = errors.Join(problem, fmt.Errorf("after %s: %w", outcome, err))
		}
	}
	if err != nil && len(s.checks) == 0 {
		if err := op(); err != nil {
			problem = errors.Join(problem, fmt.Errorf("after %s, once more: %w", outcome, err))
		}
	}
	return outcome, refused, problem
}

// judge returns the entry in the table for err, and what is wrong with it.
func (t *trial) judge(err error, errno unix.Errno, refused int) (string, error) {
	name := t.name
	if name == "" {
		name, _, _ = strings.Cut(t.call, " ")
	}
	var call *os.SyscallError
	var path *fs.PathError
	for outcome, is := range t.also {
		if err != nil && is(err, errno) {
			return outcome, nil
		}
	}
	switch {
	case err == nil && (refused == 0 || errno == unix.EINTR):
		return cmp.Or(t.swallowed, "retried"), nil
	case err == nil:
		return "does without", nil
	case refused == 0:
		return "fails", fmt.Errorf("no call was refused, but: %w", err)
	case errno == unix.EAGAIN && errors.Is(err, context.DeadlineExceeded):
		return "waits", nil
	case errno == unix.EAGAIN && errors.Is(err, fd.ErrWouldBlock):
		return "`ErrWouldBlock`", nil
	case errors.As(err, &call) && call.Syscall == name && call.Err == errno, errors.As(err, &path) && path.Err == errno:
		if errors.Is(err, errors.ErrUnsupported) {
			return "error, unsupported", nil
		}
		return "error", nil
	}
	return "fails", fmt.Errorf("an error that neither names the call nor has the errno: %w", err)
}
