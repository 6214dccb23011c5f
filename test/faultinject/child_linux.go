package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/test/internal/program"
)

// The main goroutine keeps the first thread. If another goroutine ended while locked to
// that thread, the runtime would park it with every signal blocked.
func init() {
	if program.IsChild() {
		runtime.LockOSThread()
	}
}

// try makes a trial with the first n of errnos. It returns the entries in the table.
func try(index, n int) (outcomes []string, err error) {
	size := n
	if trials[index].once {
		size = 1
	}
	for first := 0; first < n; first += size {
		some, problem := perform(index, first, first+size)
		outcomes, err = append(outcomes, some...), errors.Join(err, problem)
	}
	return outcomes, err
}

// perform makes a child make a trial with errnos[first:last].
func perform(index, first, last int) ([]string, error) {
	cmd, err := program.Child("act", fmt.Sprint(index, first, last))
	if err != nil {
		return nil, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(ends[0])
	theirs := os.NewFile(uintptr(ends[1]), "socket")
	cmd.ExtraFiles = []*os.File{theirs} // as socketNumber
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return nil, err
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	s := &supervisor{trial: &trials[index], child: cmd.Process.Pid, socket: ends[0]}
	served := s.serve()
	if served != nil {
		_ = cmd.Process.Kill()
	}
	if err := errors.Join(served, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("%s, %s: %w\n%s", s.trial.op, s.trial.call, err, problems.String())
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n"), nil
}

// socketNumber is the child's descriptor of the socket to the supervisor.
const socketNumber = 3

// act is a child's part: it makes a trial, under a filter that asks the supervisor. It
// prints a line for each errno.
func act(argument string) error {
	var index, first, last int
	if _, err := fmt.Sscan(argument, &index, &first, &last); err != nil {
		return err
	}
	t := &trials[index]
	if !t.once {
		// Package os asks only once whether there are pidfds.
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Release()
		}
	}
	goroutines := runtime.NumGoroutine()
	if err := supervise(numberOf(t.call)); err != nil {
		return err
	}
	var lines []string
	var problems error
	for _, errno := range errnos[first:last] {
		outcomes, err := t.with(errno)
		problems = errors.Join(problems, err)
		lines = append(lines, strings.Join(outcomes, ", "))
	}
	for try := 0; runtime.NumGoroutine() > goroutines; try++ {
		if try == 1000 {
			buf := make([]byte, 1<<16)
			return fmt.Errorf("left goroutines: %s", buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(strings.Join(lines, "\n"))
	return problems
}

// supervise makes the kernel ask the supervisor about each later call of that number,
// in all threads.
func supervise(number uintptr) error {
	unix.CloseOnExec(socketNumber)
	listener, sent := make(chan int), make(chan error)
	go func() {
		sent <- os.NewSyscallError("sendmsg", unix.Sendmsg(socketNumber, []byte{0}, unix.UnixRights(<-listener), nil, 0))
	}()
	// A call that the supervisor is asked about blocks until the supervisor has the
	// listener. Until then the filter is only for this thread, and another one sends.
	asked, err := systest.InstallFilter(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		systest.Refusal{Call: number, Action: unix.SECCOMP_RET_USER_NOTIF},
		systest.Refusal{Call: orderCall, Arg: 1, Value: orderMark, Action: unix.SECCOMP_RET_USER_NOTIF})
	if err != nil {
		return err
	}
	listener <- asked
	if err := <-sent; err != nil {
		return err
	}
	if err := unix.Close(asked); err != nil {
		return os.NewSyscallError("close", err)
	}
	return filterAll()
}

// filterAll gives this thread's filters and one for the refusals to all threads, until
// the process ends.
func filterAll(refusals ...systest.Refusal) error {
	return second(systest.InstallFilter(unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, refusals...))
}

// An order is a sched_yield(2), which every sandbox allows, with arguments. The kernel does
// not look at these. The first one tells an order from the calls of the Go runtime.
const (
	orderCall = unix.SYS_SCHED_YIELD
	orderMark = 0x6f726472
)

// order makes the supervisor refuse calls from now on: of those whose first argument is
// number, the ones from first to last. With errno 0 the supervisor lets all calls
// through. It returns how many it has refused.
func order(errno unix.Errno, number, first, last int) (refused int) {
	n, _, failed := unix.Syscall6(orderCall, orderMark, uintptr(errno), uintptr(number), uintptr(first), uintptr(last), 0)
	if failed != 0 {
		panic(fmt.Sprint("the supervisor has ended: ", failed))
	}
	return int(n)
}
