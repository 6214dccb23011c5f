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

// errnos are what each call is refused with.
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

	// number is the call's, and match tells, by its arguments, those meant.
	number uintptr
	match  func(args *[6]uint64) bool

	// prepare returns the operation, which is made while the call is refused. It
	// returns nil only if it did what it should, and may be made again.
	prepare func(s *scene) func() error

	// once says that the library asks once in a process: each errno gets one.
	once bool

	// endless says that an operation which retries EINTR is not there to retry, so
	// that EINTR may be refused for ever.
	endless bool

	// first says that what is refused is so from the first call on: a filter that
	// comes while the library is at it is not tried.
	first bool

	// made says that this program makes the call at all; nil stands for yes.
	made func() bool

	// racy says that the call is made only if something else is slow: the operation
	// is tried until it is.
	racy bool

	// name is what errors call it, if not the first word of call.
	name string

	// swallowed is what the table says where EINTR is no error, if not "retried".
	swallowed string

	// also has other errors that are as they should be, by what the table says.
	also map[string]func(err error, refused unix.Errno) bool
}

// forbidden returns why the call cannot be let through: a container's seccomp(2) filter
// refuses it.
func (t *trial) forbidden() error {
	switch t.number {
	case unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PTRACE:
		return systest.TryCall(t.number)
	}
	return nil
}

// A scene is what a trial prepares. Its methods end the trial if they fail.
type scene struct {
	number  int // for page.arm
	checks  []func(err error) error
	cleanup []func()
}

// on has only those calls count whose first argument is number.
func (s *scene) on(number int) { s.number = number }

// check has f look, when calls are let through again, at what the operation left
// behind. err is the operation's.
func (s *scene) check(f func(err error) error) { s.checks = append(s.checks, f) }

// later has f called when the trial is over.
func (s *scene) later(f func()) { s.cleanup = append(s.cleanup, f) }

func (s *scene) must(err error) {
	if err != nil {
		panic(sceneError{err})
	}
}

type sceneError struct{ error }

// closes closes c when the trial is over, and returns it.
func closes[C interface{ Close() error }](s *scene, c C, err error) C {
	s.must(err)
	s.later(func() { _ = c.Close() })
	return c
}

// A cell is what became of a trial with an errno.
type cell struct {
	Outcomes []string // in the order in which they were met first
	Problems []string // what is not as it should be
}

func (c cell) String() string { return strings.Join(c.Outcomes, ", ") }

func (c *cell) note(outcome string) {
	if !slices.Contains(c.Outcomes, outcome) {
		c.Outcomes = append(c.Outcomes, outcome)
	}
}

// maxCalls is how many calls of an operation are refused one by one.
const maxCalls = 8

// run tries errno: each call by itself, and each with all that follow it, as long
// as there is one.
func (t *trial) run(p *page, errno unix.Errno) cell {
	var c cell
	for n := 1; n <= maxCalls; n++ {
		// EINTR is retried for ever, as package os does: unless it ends.
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

// patience is how long an operation may take: it is not a measurement, as all
// take some milliseconds.
const patience = 10 * time.Second

// attempt makes the operation once, with the calls from first to last refused.
func (t *trial) attempt(p *page, errno unix.Errno, first, last int) (outcome string, refused int, problem error) {
	before := systest.OpenDescriptors()
	s := &scene{number: -1}
	defer func() {
		if failed, ok := recover().(sceneError); ok {
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

// judge says what the table has for err, and what is wrong with it.
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
