package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

var signalfdTrials = slices.Concat(
	each("signalfd", "signalfd.New", capture, "pipe2", "eventfd2"),
	[]trial{
		{by: "internal/sys/capture", call: "mmap", op: "signalfd.New, the first", once: true, run: capture},
		{by: "internal/sys/capture", call: "madvise", op: "signalfd.New, the first", once: true, run: capture},
	},
	each("internal/sys/capture", "signalfd.New", capture, "rt_sigaction"),
	each("signalfd", "signalfd.New", capture, "openat", "read"),
	[]trial{
		{by: "signalfd", call: "signalfd4", op: "signalfd.Open", run: repeats(func() error { return closing(signalfd.Open(usr1)) })},
		{
			// The kernel refuses to remove the handler. The handler then does what the
			// action before the capture did.
			by: "internal/sys/capture", call: "rt_sigaction", op: "SignalFD.Close", first: true,
			run: func(a *attempt) {
				f := captured(a)
				_ = a.refuse(every, f.Close)
				a.must(unix.Kill(os.Getpid(), unix.SIGUSR1))
				a.must(gives(fd.ErrClosed)(second(f.Read()), nil), masksOpen())
			},
		},
		// All signals are captured afterwards, or only those of before.
		{by: "internal/sys/capture", call: "rt_sigaction", op: "SignalFD.SetMask", run: func(a *attempt) {
			f, want, both := captured(a), usr1, signalfd.NewSet(unix.SIGUSR1, unix.SIGUSR2)
			if a.refuse(every, func() error { return f.SetMask(both) }) == nil {
				want = both
			}
			a.must(gives(want)(f.Mask(), nil), receives(f), f.SetMask(both), receives(f))
		}},
		// The capture's forwarder writes the signal to the pipe, but it may be late.
		{by: "internal/sys", call: "write", op: "FD.ReadContext of a SignalFD", run: func(a *attempt) {
			f := captured(a)
			a.must(receives(f))
			if a.refuse(forwarderPipe(a, f), func() error {
				if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
					return err
				}
				// This call waits for the other calls of the trial.
				err := piped(f, 100*time.Millisecond)
				if errors.Is(err, context.DeadlineExceeded) {
					return outcome("comes later")
				}
				return err
			}) != nil {
				a.must(piped(f, patience))
			}
			a.must(receives(f))
		}},
		{by: "signalfd", call: "execve", op: "signalfd.Block", once: true, run: block},
		{by: "signalfd", call: "rt_sigprocmask", op: "signalfd.Block", once: true, run: block},
		// A refusal of a later rt_sigprocmask(2) would leave the thread with the signals
		// that are blocked by then.
		{by: "signalfd", call: "rt_sigprocmask", op: "signalfd.Start", first: true, run: start},
	},
	each("internal/sys/unmask", "signalfd.Start", start, "memfd_create", "pipe2", "fcntl F_GETFD", "fcntl F_ADD_SEALS", "write"),
	[]trial{
		{by: "internal/sys/unmask", call: "read", op: "signalfd.Start", run: func(a *attempt) {
			startCounting(a, firstFree(1)) // the second descriptor of Start
		}},
		{by: "os/exec", call: "clone", op: "signalfd.Start", match: ofProcess, run: start},
	},
)

var usr1 = signalfd.NewSet(unix.SIGUSR1)

func captured(a *attempt) *signalfd.SignalFD {
	f, err := signalfd.New(usr1)
	return closes(a, f, err)
}

// capture tries to make a SignalFD, and reads a signal. After success and after failure,
// the signal has its old meaning.
func capture(a *attempt) {
	before := handler(a)
	var f *signalfd.SignalFD
	if a.refuse(every, func() (err error) { f, err = signalfd.New(usr1); return err }) == nil {
		a.must(receives(f), f.Close())
	}
	a.must(gives(before)(handler(a), nil), masksOpen())
}

// receives sends a signal, and reads it from f.
func receives(f *signalfd.SignalFD) error {
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	info, err := f.ReadContext(ctx)
	return gives(unix.SIGUSR1)(info.Signal, err)
}

// piped waits for a record in the pipe, as other programs do that have the descriptor.
func piped(f *signalfd.SignalFD, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	record := make([]byte, 128)
	n, err := f.FD().ReadContext(ctx, record)
	return gives(len(record))(n, err)
}

// handler returns the address of the handler of the signal that is captured.
func handler(a *attempt) uint64 {
	var action [4]uint64 // the kernel's struct sigaction, of which the handler is the first
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGUSR1), 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0)
	if errno != 0 {
		a.must(os.NewSyscallError("rt_sigaction", errno))
	}
	return action[0]
}

// masksOpen checks that no thread has the signal blocked, for a second.
func masksOpen() (err error) {
	for range 1000 {
		if err = masksOpenNow(); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

func masksOpenNow() error {
	threads, err := filepath.Glob("/proc/self/task/*/status")
	for _, path := range threads {
		text, _ := os.ReadFile(path) // none if the thread has ended
		_, masks, _ := strings.Cut(string(text), "SigBlk:")
		var mask uint64
		if _, err := fmt.Sscanf(masks, "%x", &mask); err == nil && mask>>(unix.SIGUSR1-1)&1 != 0 {
			return fmt.Errorf("%s: the signal is blocked", path)
		}
	}
	return err
}

// forwarderPipe returns the write end of the pipe of a capture.
func forwarderPipe(a *attempt, f *signalfd.SignalFD) int {
	pipe, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	a.must(err)
	for number := range 1 << 10 {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number))
		if err == nil && name == pipe && number != f.Fd() {
			return number
		}
	}
	a.must(errors.New("there is no write end of " + pipe))
	return -1
}

// block would start the program anew.
func block(a *attempt) {
	_ = a.refuse(every, func() error { return signalfd.Block(usr1) })
	a.must(masksOpen())
}

// start tries to start a child with no signal blocked, from a thread that has one blocked.
func start(a *attempt) { startCounting(a, every) }

func startCounting(a *attempt, number int) {
	begin, result := make(chan struct{}), make(chan error)
	var blocked unix.Sigset_t
	blocked.Val[0] = 1 << (unix.SIGUSR2 - 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		result <- unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, nil)
		<-begin
		result <- startUnblocked()
	}()
	a.must(<-result)
	_ = a.refuse(number, func() error { close(begin); return <-result })
	var status unix.WaitStatus
	if pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); err != unix.ECHILD {
		a.must(fmt.Errorf("it left a child: %d, %w", pid, err))
	}
	a.must(masksOpen())
}

// firstFree returns the lowest number that is free if n lower ones are used.
func firstFree(n int) int {
	for number := 0; ; number++ {
		if _, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); err == nil {
			continue
		}
		if n == 0 {
			return number
		}
		n--
	}
}

// startUnblocked starts a child that prints its blocked signals: none.
func startUnblocked() error {
	cmd := exec.Command("grep", "SigBlk", "/proc/self/status")
	var out strings.Builder
	cmd.Stdout = &out
	if err := signalfd.Start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	return gives("SigBlk:")(strings.TrimRight(out.String(), "0\t\n"), nil)
}
