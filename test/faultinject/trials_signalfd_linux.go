package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

var signalfdTrials = []trial{
	capturing("signalfd", "pipe2"),
	capturing("signalfd", "eventfd2"),
	theFirst(capturing("internal/sys/capture", "mmap")),
	theFirst(capturing("internal/sys/capture", "madvise")),
	capturing("internal/sys/capture", "rt_sigaction"),
	{by: "signalfd", call: "openat", op: "signalfd.New", prepare: capture},
	{by: "signalfd", call: "read", op: "signalfd.New", prepare: capture},
	{by: "signalfd", call: "signalfd4", op: "signalfd.Open", prepare: always(func() error { return closing(signalfd.Open(signalfd.NewSet(unix.SIGUSR1))) })},
	{
		// The kernel refuses to remove the handler. The handler then does what the
		// action before the capture did.
		by: "internal/sys/capture", call: "rt_sigaction", op: "SignalFD.Close", first: true,
		prepare: func(s *setup) func() error {
			f, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
			closes(s, f, err)
			s.check(func(error) error {
				s.must(unix.Kill(os.Getpid(), unix.SIGUSR1))
				return errors.Join(gives(fd.ErrClosed)(second(f.Read()), nil), masksOpen())
			})
			return f.Close
		},
	},
	masking("internal/sys/capture", "rt_sigaction"),
	reading("internal/sys", "write"),
	{by: "signalfd", call: "execve", op: "signalfd.Block", once: true, prepare: block},
	{by: "signalfd", call: "rt_sigprocmask", op: "signalfd.Block", once: true, prepare: block},
	fromTheFirst(starting("signalfd", "rt_sigprocmask")),
	starting("internal/sys/unmask", "memfd_create"),
	starting("internal/sys/unmask", "pipe2"),
	starting("internal/sys/unmask", "fcntl F_GETFD"),
	starting("internal/sys/unmask", "fcntl F_ADD_SEALS"),
	starting("internal/sys/unmask", "write"),
	onFree(1, starting("internal/sys/unmask", "read")),
	starting("os/exec", "clone"),
}

// capturing tries to capture a signal.
func capturing(by, call string) trial {
	return trial{by: by, call: call, op: "signalfd.New", prepare: capture}
}

// theFirst is for a call that only the first operation of a process makes.
func theFirst(t trial) trial {
	t.op += ", the first"
	t.once = true
	return t
}

// fromTheFirst refuses calls from the first one on. A refusal of a later
// rt_sigprocmask(2) would leave the thread with the signals that are blocked by then.
func fromTheFirst(t trial) trial {
	t.first = true
	return t
}

// onFree counts only the calls for the descriptor that is the operation's number n,
// counted from 0.
func onFree(n int, t trial) trial {
	prepare := t.prepare
	t.prepare = func(s *setup) func() error {
		do := prepare(s)
		s.on(int(firstFree(n)))
		return do
	}
	return t
}

// capture makes a SignalFD and reads a signal. After success and after failure, the
// signal has its old meaning.
func capture(s *setup) func() error {
	before := handler(s)
	var f *signalfd.SignalFD
	s.check(func(err error) error {
		if err == nil {
			err = errors.Join(receives(f), f.Close())
		} else {
			err = nil
		}
		return errors.Join(err, gives(before)(handler(s), nil), masksOpen())
	})
	return func() (err error) {
		f, err = signalfd.New(signalfd.NewSet(unix.SIGUSR1))
		return err
	}
}

// masking tries to change the captured signals: all or nothing.
func masking(by, call string) trial {
	old, wanted := signalfd.NewSet(unix.SIGUSR1), signalfd.NewSet(unix.SIGUSR1, unix.SIGUSR2)
	return trial{
		by: by, call: call, op: "SignalFD.SetMask",
		prepare: func(s *setup) func() error {
			f, err := signalfd.New(old)
			closes(s, f, err)
			s.check(func(err error) error {
				want := wanted
				if err != nil {
					want = old
				}
				failed := gives(want)(f.Mask(), nil)
				return errors.Join(failed, receives(f), f.SetMask(wanted), receives(f))
			})
			return func() error { return f.SetMask(wanted) }
		},
	}
}

// reading tries the calls of a capture's forwarder. The signal has to arrive in the pipe,
// but may be late.
func reading(by, call string) trial {
	return trial{
		by: by, call: call, op: "FD.ReadContext of a SignalFD",
		prepare: func(s *setup) func() error {
			f, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
			closes(s, f, err)
			s.must(receives(f))
			s.on(forwarderPipe(s, f))
			s.must(unix.Kill(os.Getpid(), 0))
			arrived := false
			s.check(func(error) error {
				if arrived {
					return receives(f)
				}
				return errors.Join(piped(f, patience), receives(f))
			})
			return func() error {
				s.must(unix.Kill(os.Getpid(), unix.SIGUSR1))
				// This call waits for the other calls of the trial.
				err := piped(f, 100*time.Millisecond)
				arrived = err == nil
				return err
			}
		},
		also: map[string]func(error, unix.Errno) bool{
			"comes later": func(err error, _ unix.Errno) bool { return errors.Is(err, context.DeadlineExceeded) },
		},
	}
}

// receives sends a signal, and reads it from f.
func receives(f *signalfd.SignalFD) error {
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		return err
	}
	return reads1(f, patience/2)
}

func reads1(f *signalfd.SignalFD, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
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
func handler(s *setup) uint64 {
	var action [4]uint64 // the kernel's struct sigaction, of which the handler is the first
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGUSR1), 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0)
	if errno != 0 {
		s.must(os.NewSyscallError("rt_sigaction", errno))
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
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		text, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			var mask uint64
			if _, err := fmt.Sscanf(line, "SigBlk: %x", &mask); err == nil && mask>>(unix.SIGUSR1-1)&1 != 0 {
				return fmt.Errorf("thread %s has the signal blocked", thread.Name())
			}
		}
	}
	return nil
}

// forwarderPipe returns the write end of the pipe of a capture.
func forwarderPipe(s *setup, f *signalfd.SignalFD) int {
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	s.must(err)
	return descriptor(s, name, f.Fd())
}

// descriptor returns the descriptor of this process that refers to the object, except
// not.
func descriptor(s *setup, object string, not int) int {
	for number := range 1 << 10 {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number))
		if err == nil && name == object && number != not {
			return number
		}
	}
	s.must(errors.New("there is no " + object))
	return -1
}

// block would start the program anew.
func block(s *setup) func() error {
	s.check(func(error) error { return masksOpen() })
	return func() error { return signalfd.Block(signalfd.NewSet(unix.SIGUSR1)) }
}

// starting tries to start a child with no signal blocked, from a thread that has
// one blocked.
func starting(by, call string) trial {
	return trial{
		by: by, call: call, op: "signalfd.Start",
		prepare: func(s *setup) func() error {
			s.check(func(error) error {
				var status unix.WaitStatus
				if pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); err != unix.ECHILD {
					return fmt.Errorf("it left a child: %d, %v", pid, err)
				}
				return masksOpen()
			})
			// The thread belongs to this goroutine, and ends with it.
			turn, result := make(chan struct{}), make(chan error)
			s.later(func() { close(turn) })
			go func() {
				runtime.LockOSThread()
				result <- unix.PthreadSigmask(unix.SIG_BLOCK, sigset(unix.SIGUSR2), nil)
				for range turn {
					result <- startUnblocked()
				}
			}()
			s.must(<-result)
			return func() error {
				turn <- struct{}{}
				return <-result
			}
		},
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

func sigset(sig unix.Signal) *unix.Sigset_t {
	var set unix.Sigset_t
	set.Val[0] = 1 << (sig - 1)
	return &set
}
