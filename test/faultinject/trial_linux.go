package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// errnos are the errors of refused calls.
var errnos = []unix.Errno{
	unix.EINTR, unix.EAGAIN, unix.EMFILE, unix.EPERM, unix.ENFILE,
	unix.ENOMEM, unix.EACCES, unix.ENOSYS, unix.EIO, unix.EINVAL,
}

// A trial is one operation of the library, with one of the system calls in it
// refused.
type trial struct {
	by   string // the package that makes the call: "fd"
	call string // as the trace names it: "fcntl F_DUPFD_CLOEXEC"
	op   string // what a program calls: "FD.Dup"

	// run prepares the operation and gives it to attempt.refuse. Then it checks the state
	// that the operation left behind.
	run func(a *attempt)

	// match selects the calls by their arguments, if the name of the call does not.
	match func(args *[6]uint64) bool

	// once says that the library asks once in a process: each errno gets one process.
	once bool

	// first says that calls are refused from the first one on. No filter is tried that
	// comes in the middle of the operation.
	first bool

	// made reports whether this program makes the call at all. nil stands for yes.
	made func() bool
}

// forbidden returns why the call cannot be let through: a container's seccomp(2) filter
// refuses it.
func (t *trial) forbidden() error {
	switch number := numberOf(t.call); number {
	case unix.SYS_KCMP, unix.SYS_PIDFD_GETFD:
		return systest.TryCall(number)
	}
	return nil
}

const (
	maxCalls = 8             // of an operation are refused one by one
	forEver  = math.MaxInt32 // is a last that no call reaches
)

// with tries errno. It refuses each call by itself, and each with all that follow it, as
// long as there is one. It returns the outcomes in the order of their first occurrence.
func (t *trial) with(errno unix.Errno) (outcomes []string, problems error) {
	for n := 1; n <= maxCalls; n++ {
		lasts := []int{n, forEver}
		if errno == unix.EINTR {
			lasts[1] = n + 2 // because the library retries for ever, as package os does
		}
		switch {
		case t.once:
			lasts = lasts[:1]
		case t.first:
			lasts = lasts[1:]
		}
		made := false
		for _, last := range lasts {
			a := &attempt{trial: t, errno: errno, first: n, last: last}
			a.make()
			if a.refused > 0 {
				made = true
				if !slices.Contains(outcomes, a.outcome) {
					outcomes = append(outcomes, a.outcome)
				}
			}
			if a.problem != nil {
				problems = errors.Join(problems, fmt.Errorf("%s from call %d to %d: %s: %w",
					unix.ErrnoName(errno), n, last, a.outcome, a.problem))
			}
			if a.outcome == hangs {
				return outcomes, problems
			}
		}
		if !made && n == 1 {
			problems = errors.Join(problems, errors.New("the operation does not make the call"))
		}
		if !made || t.once || t.first {
			break
		}
	}
	return outcomes, problems
}

// An attempt makes the operation once, with the calls from first to last refused.
type attempt struct {
	*trial
	errno       unix.Errno
	first, last int

	refused int    // calls
	outcome string // the entry in the table
	problem error  // why the trial fails
	cleanup []func()
}

// make makes the attempt in a goroutine, which must and refuse end if they fail.
func (a *attempt) make() {
	before := systest.OpenDescriptors()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(a.cleanup) {
				f()
			}
		}()
		a.run(a)
	}()
	<-done
	if left := before.Left(); left != "" {
		a.fails(fmt.Errorf("left open: %s", left))
	}
}

func (a *attempt) fails(err error) { a.problem = errors.Join(a.problem, err) }

// must ends the attempt if there is an error.
func (a *attempt) must(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		a.fails(err)
		runtime.Goexit()
	}
}

// later registers f to be called when the attempt is over.
func (a *attempt) later(f func()) { a.cleanup = append(a.cleanup, f) }

const hangs = "hangs"

// patience is how long an operation may take. It is not a measurement, because all
// operations take some milliseconds.
const patience = 10 * time.Second

// every is the number of an operation whose calls count whatever their first argument is.
const every = -1

// refuse makes the operation while calls are refused: those whose first argument is
// number. The operation returns nil only if it succeeded.
func (a *attempt) refuse(number int, op func() error) error {
	done := make(chan error, 1)
	order(a.errno, number, a.first, a.last)
	go func() { done <- op() }()
	var err error
	select {
	case err = <-done:
	case <-time.After(patience):
		order(0, 0, 0, 0)
		<-done
		a.outcome, a.refused = hangs, 1
		a.must(errors.New("it hangs"))
	}
	a.refused = order(0, 0, 0, 0)
	var problem error
	a.outcome, problem = a.judge(err)
	a.fails(problem)
	return err
}

// refuseThen is refuse. If the operation fails, then must succeed.
func (a *attempt) refuseThen(number int, op, then func() error) {
	if a.refuse(number, op) != nil {
		a.must(then())
	}
}

// repeat is refuse. If the operation fails, it must succeed once more.
func (a *attempt) repeat(number int, op func() error) { a.refuseThen(number, op, op) }

// repeats is the run of an operation that needs no preparation.
func repeats(op func() error) func(*attempt) {
	return func(a *attempt) { a.repeat(every, op) }
}

// on is the run of an operation on what open returns.
func on[T any](open func(*attempt) T, do func(T) error) func(*attempt) {
	return func(a *attempt) {
		x := open(a)
		a.repeat(every, func() error { return do(x) })
	}
}

// An outcome is a correct error of an operation, by its entry in the table.
type outcome string

func (o outcome) Error() string { return string(o) }

// judge returns the entry in the table for err, and what is wrong with it.
func (a *attempt) judge(err error) (string, error) {
	name, _, _ := strings.Cut(a.call, " ")
	if name == "openat" {
		name = "open" // as package os names it
	}
	switch said, ok := errors.AsType[outcome](err); {
	case ok:
		return string(said), nil
	case err == nil && (a.refused == 0 || a.errno == unix.EINTR):
		return "retried", nil
	case err == nil:
		return "does without", nil
	case a.refused == 0:
		return "fails", fmt.Errorf("no call was refused, but: %w", err)
	case a.errno == unix.EAGAIN && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)):
		return "waits", nil
	case a.errno == unix.EAGAIN && errors.Is(err, fd.ErrWouldBlock):
		return "`ErrWouldBlock`", nil
	}
	path, ok := errors.AsType[*fs.PathError](err)
	switch {
	case !namesCall(err, name, a.errno) && !(ok && path.Err == a.errno):
		return "fails", fmt.Errorf("an error that neither names the call nor has the errno: %w", err)
	case errors.Is(err, errors.ErrUnsupported):
		return "error, unsupported", nil
	}
	return "error", nil
}

// namesCall reports whether err names the call and has its errno.
func namesCall(err error, name string, errno unix.Errno) bool {
	call, ok := errors.AsType[*os.SyscallError](err)
	return ok && call.Syscall == name && call.Err == errno
}

// withoutRace is for trials of calls that differ under the race detector.
func withoutRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && !slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
