package iofd_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
	"code.hybscloud.com/iofd/timerfd"
)

// handle is what all handles have.
type handle interface {
	io.Closer
	FD() *fd.FD
}

// A maker calls a constructor. It returns the handle, and the objects that were made of
// the handle.
type maker func() ([]io.Closer, error)

// of is a maker that also makes what every handle can give: a duplicate, a file, and
// by way of a bare number the handle again.
func of[H handle](make func() (H, error), dup func(H) (H, error), from func(*fd.FD) (H, error)) maker {
	return func() (made []io.Closer, err error) {
		add := func(c io.Closer, err error) error {
			if err == nil {
				made = append(made, c)
			}
			return err
		}
		h, err := make()
		if err := add(h, err); err != nil {
			return made, err
		}
		f, err := h.FD().File("file")
		if err := add(f, err); err != nil {
			return made, err
		}
		core, err := fd.FromFile(f)
		if err := add(core, err); err != nil {
			return made, err
		}
		other, err := dup(h)
		if err := add(other, err); err != nil {
			return made, err
		}
		if from == nil {
			return made, nil
		}
		bare, err := core.Dup()
		if err != nil {
			return made, err
		}
		h, err = from(bare)
		if err != nil {
			return append(made, bare), err
		}
		return append(made, h), nil
	}
}

// makers returns every constructor of a descriptor. They can run at once.
func makers(t *testing.T) map[string]maker {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var conns [2]*net.UnixConn
	for i, end := range ends {
		file := os.NewFile(uintptr(end), "socket")
		conn, err := net.FileConn(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		conns[i] = conn.(*net.UnixConn)
	}
	event := func(make func(uint64) (*eventfd.EventFD, error)) maker {
		return of(func() (*eventfd.EventFD, error) { return make(1) }, (*eventfd.EventFD).Dup, eventfd.FromFD)
	}
	timer := func(clock timerfd.Clock) maker {
		return of(func() (*timerfd.TimerFD, error) { return timerfd.New(clock) }, (*timerfd.TimerFD).Dup, timerfd.FromFD)
	}
	process := func(make func() (*pidfd.PidFD, error)) maker {
		return of(make, (*pidfd.PidFD).Dup, pidfd.FromFD)
	}
	memory := func(make func() (*memfd.MemFD, error), from func(*fd.FD) (*memfd.MemFD, error)) maker {
		return of(make, (*memfd.MemFD).Dup, from)
	}
	signals := func(make func(signalfd.Set) (*signalfd.SignalFD, error), sig syscall.Signal) maker {
		return of(func() (*signalfd.SignalFD, error) { return make(signalfd.NewSet(sig)) }, (*signalfd.SignalFD).Dup, nil)
	}
	one := func(make func(self *pidfd.PidFD) (*fd.FD, error)) maker {
		return func() ([]io.Closer, error) {
			self, err := pidfd.Self()
			if err != nil {
				return nil, err
			}
			f, err := make(self)
			if err != nil {
				return []io.Closer{self}, err // a nil *fd.FD is no nil io.Closer
			}
			return []io.Closer{self, f}, nil
		}
	}
	return map[string]maker{
		"eventfd.New":          event(eventfd.New),
		"eventfd.NewSemaphore": event(eventfd.NewSemaphore),
		"eventfd.NewWaker": func() ([]io.Closer, error) {
			w, err := eventfd.NewWaker()
			if err != nil {
				return nil, err
			}
			return []io.Closer{w}, nil
		},
		"timerfd.Realtime":  timer(timerfd.Realtime),
		"timerfd.Monotonic": timer(timerfd.Monotonic),
		"timerfd.Boottime":  timer(timerfd.Boottime),
		"pidfd.Self":        process(pidfd.Self),
		"pidfd.Open":        process(func() (*pidfd.PidFD, error) { return pidfd.Open(os.Getpid()) }),
		"pidfd.OpenThread":  process(func() (*pidfd.PidFD, error) { return pidfd.OpenThread(os.Getpid()) }),
		"pidfd.Start": process(func() (*pidfd.PidFD, error) {
			cmd := exec.Command("true")
			p, err := pidfd.Start(cmd)
			if err != nil {
				return nil, err
			}
			return p, cmd.Wait()
		}),
		"pidfd.FromProcess": process(func() (*pidfd.PidFD, error) {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				return nil, err
			}
			defer self.Release()
			return pidfd.FromProcess(self)
		}),
		"pidfd.FromPeer": process(func() (*pidfd.PidFD, error) {
			raw, err := conns[0].SyscallConn()
			if err != nil {
				return nil, err
			}
			return pidfd.FromPeer(raw)
		}),
		"pidfd.GetFD":     one(func(self *pidfd.PidFD) (*fd.FD, error) { return self.GetFD(0) }),
		"pidfd.Namespace": one(func(self *pidfd.PidFD) (*fd.FD, error) { return self.Namespace(pidfd.NetNamespace) }),
		"memfd.New":       memory(func() (*memfd.MemFD, error) { return memfd.New("inherit") }, memfd.FromFD),
		"memfd.Old":       memory(func() (*memfd.MemFD, error) { return memfd.New("inherit", memfd.WithoutExecSeal) }, memfd.FromFD),
		"memfd.NewSealed": memory(func() (*memfd.MemFD, error) { return memfd.NewSealed("inherit", nil) }, memfd.FromFD),
		"memfd.NewSecret": memory(memfd.NewSecret, nil),
		"memfd.ReceiveFrom": memory(func() (*memfd.MemFD, error) {
			m, err := memfd.NewSealed("inherit", nil)
			if err != nil {
				return nil, err
			}
			defer m.Close()
			if err := m.SendTo(conns[0]); err != nil {
				return nil, err
			}
			return memfd.ReceiveFrom(conns[1], memfd.SealWrite)
		}, memfd.FromFD),
		"memfd.ReopenReadOnly": func() ([]io.Closer, error) {
			m, err := memfd.New("inherit")
			if err != nil {
				return nil, err
			}
			f, err := m.ReopenReadOnly()
			return []io.Closer{m, f}, err
		},
		"signalfd.New":  signals(signalfd.New, unix.SIGUSR1),
		"signalfd.Open": signals(signalfd.Open, unix.SIGUSR2),
	}
}

// inheritable returns the descriptors that a program executed now would have.
func inheritable() (numbers []int) {
	for n := range 4096 {
		if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

const inherited = "inherited: "

// No child sees a descriptor of the library, at any time and from any way to start it.
// Close-on-exec is set from the start. Otherwise fork(2) and execve(2) of another
// goroutine would find a moment without it.
func TestNothingInherited(t *testing.T) {
	if systest.IsChild(t.Name()) {
		fmt.Println(inherited, inheritable())
		return
	}
	before := fmt.Sprintln(inherited, inheritable())
	all := makers(t)
	if err := systest.TryCall(unix.SYS_PIDFD_GETFD); err != nil {
		t.Log("pidfd.GetFD: ", err)
		delete(all, "pidfd.GetFD")
	}

	// One by one, and all of them open.
	var open []io.Closer
	for name, make := range all {
		made, err := make()
		if errors.Is(err, errors.ErrUnsupported) {
			t.Logf("%s: %v", name, err)
		} else {
			require.NoError(t, err, name)
		}
		open = append(open, made...)
		require.Equal(t, before, fmt.Sprintln(inherited, inheritable()), name)
	}
	out, err := systest.Child(t, t.Name()).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), before)
	for _, c := range open {
		require.NoError(t, c.Close())
	}

	// While they are made over and over, by several goroutines.
	done := make(chan struct{})
	var busy sync.WaitGroup
	for name, make := range all {
		if strings.HasPrefix(name, "signalfd.") || name == "pidfd.Start" || name == "memfd.NewSecret" {
			continue // what the whole process has one of, children, and scarce memory
		}
		busy.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				made, err := make()
				if !errors.Is(err, errors.ErrUnsupported) {
					assert.NoError(t, err, name)
				}
				for _, c := range made {
					assert.NoError(t, c.Close())
				}
			}
		})
	}
	for i := range 10 {
		if i%2 == 0 {
			out, err = systest.Child(t, t.Name()).CombinedOutput()
		} else {
			out, err = forkExec(systest.Child(t, t.Name()))
		}
		if !assert.NoError(t, err, string(out)) || !assert.Contains(t, string(out), before) {
			break
		}
	}
	close(done)
	busy.Wait()
}

// forkExec runs a command without package os, and returns what it prints.
func forkExec(cmd *exec.Cmd) ([]byte, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	r := os.NewFile(uintptr(p[0]), "pipe")
	defer r.Close()
	pid, err := syscall.ForkExec(cmd.Path, cmd.Args, &syscall.ProcAttr{
		Env:   cmd.Env,
		Files: []uintptr{0, uintptr(p[1]), uintptr(p[1])},
	})
	_ = unix.Close(p[1])
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(r)
	var status unix.WaitStatus
	_, waited := unix.Wait4(pid, &status, 0, nil)
	return out, errors.Join(err, waited)
}
