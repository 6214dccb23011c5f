//go:build (amd64 || arm64 || riscv64 || loong64) && !race

package fd_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

// membarrier(2) takes milliseconds to register a process that has threads. No call of
// the library does that in its caller's thread: seccomp(2) kills a process in which one
// does.
func TestNoCallRegisters(t *testing.T) { inChildren(t, "TestChildRegisters") }

// A call goes on while another thread registers the process, for as long as that takes.
func TestNoCallWaitsForRegistration(t *testing.T) { inChildren(t, "TestChildHoldsRegistration") }

// inChildren runs a test in a child for each of registeringCalls.
func inChildren(t *testing.T, test string) {
	systest.NotEmulated(t, "an emulator has no seccomp(2)")
	for name := range registeringCalls {
		t.Run(name, func(t *testing.T) {
			cmd := systest.Child(t, test)
			cmd.Env = append(cmd.Env, callVariable+"="+name, "IOFD_REFCOUNT=")
			status, out, errs := systest.Result(t, cmd)
			if strings.Contains(out, "SKIP: "+test) {
				t.Skip("the kernel does not let the child find out: ", out)
			}
			require.NotEqual(t, 128+int(unix.SIGSYS), status, "a call registered the process with membarrier(2)")
			require.Zero(t, status, "%s%s", out, errs)
		})
	}
}

const callVariable = "IOFD_TEST_CALL"

// registeringCalls get an eventfd that is empty and one that is not full.
var registeringCalls = map[string]func(t *testing.T, r, w *fd.FD){
	"Read": func(t *testing.T, r, _ *fd.FD) {
		assert.Equal(t, fd.ErrWouldBlock, second(r.Read(make([]byte, 8))))
	},
	"Write": func(t *testing.T, _, w *fd.FD) { assert.NoError(t, second(w.Write(eight(1)))) },
	"ReadContext": func(t *testing.T, r, _ *fd.FD) {
		assert.Equal(t, context.Canceled, second(r.ReadContext(contextEnded(), make([]byte, 8))))
	},
	"WriteContext": func(t *testing.T, _, w *fd.FD) {
		assert.NoError(t, second(w.WriteContext(contextEnded(), eight(1))))
	},
	"ReadUint64Context": func(t *testing.T, r, _ *fd.FD) {
		assert.Equal(t, context.Canceled, second(r.ReadUint64Context(contextEnded())))
	},
	"Close": func(t *testing.T, r, _ *fd.FD) {
		number, err := unix.FcntlInt(uintptr(r.Fd()), unix.F_DUPFD_CLOEXEC, 0)
		if !assert.NoError(t, err) {
			return
		}
		f := fd.NewNonblock(number)
		for range 50 {
			assert.Equal(t, fd.ErrWouldBlock, second(f.Read(make([]byte, 8))))
		}
		assert.NoError(t, f.Close())
	},
}

func TestChildRegisters(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	made := make(chan struct{})
	go func() {
		defer close(made)
		runtime.LockOSThread() // the thread ends with the goroutine
		if _, err := filterRegister(unix.SECCOMP_RET_KILL_PROCESS, 0); err != nil {
			t.Error("seccomp(2): ", err)
			return
		}
		makeCalls(t)
	}()
	<-made
	// Without this the test would show nothing.
	require.Eventually(t, func() bool { return registered(t) }, deadline, tick, "the library does not use membarrier(2)")
}

func TestChildHoldsRegistration(t *testing.T) {
	if !systest.IsChild(t.Name()) {
		return
	}
	const (
		newListener = 1 << 3      // SECCOMP_FILTER_FLAG_NEW_LISTENER
		allThreads  = 1<<0 | 1<<4 // SECCOMP_FILTER_FLAG_TSYNC, …_TSYNC_ESRCH
	)
	listener, err := filterRegister(unix.SECCOMP_RET_USER_NOTIF, newListener|allThreads)
	if err != nil {
		t.Skip("seccomp(2): ", err)
	}
	defer unix.Close(listener)
	made := make(chan struct{})
	go func() { defer close(made); makeCalls(t) }()
	select {
	case <-made:
	case <-time.After(heldAtMost):
		t.Error("a call waits for the registration")
	}
	for end := time.Now().Add(deadline); !registered(t); letRegister(t, listener) {
		require.True(t, time.Now().Before(end), "the library does not use membarrier(2)")
	}
	<-made
}

// makeCalls makes enough calls for the library to register the process.
func makeCalls(t *testing.T) {
	// Threads make it slow.
	idle := make(chan struct{})
	defer close(idle)
	for range 4 {
		go func() { runtime.LockOSThread(); <-idle }()
	}
	var numbers [2]int
	for i := range numbers {
		number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if !assert.NoError(t, err) {
			return
		}
		numbers[i] = number
	}
	r, w := fd.NewNonblock(numbers[0]), fd.NewNonblock(numbers[1])
	call := registeringCalls[os.Getenv(callVariable)]
	for n := 0; n < 2000 && !t.Failed(); n++ {
		call(t, r, w)
	}
	// These do without the scheduler, and so need the registration.
	for n := 0; n < 2000 && !t.Failed(); n++ {
		registeringCalls["Read"](t, r, w)
	}
	assert.NoError(t, r.Close())
	assert.NoError(t, w.Close())
}

// registered reports whether the process may use the expedited membarrier(2).
func registered(t *testing.T) bool {
	const expedited = 1 << 3 // MEMBARRIER_CMD_PRIVATE_EXPEDITED
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, expedited, 0, 0)
	if errno != 0 && errno != unix.EPERM {
		t.Skip("membarrier(2): ", errno)
	}
	return errno == 0
}

// letRegister lets a thread go on whose registration the listener holds, if there is one.
func letRegister(t *testing.T, listener int) {
	t.Helper()
	const (
		receive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
		send    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
		goOn    = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
	)
	fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 10); n != 1 {
		require.Contains(t, []error{nil, unix.EINTR}, err)
		return
	}
	// The structs seccomp_notif and seccomp_notif_resp.
	var request struct {
		id, pidAndFlags uint64
		data            [8]uint64
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), receive, uintptr(unsafe.Pointer(&request)))
	require.Zero(t, errno)
	response := struct {
		id, value    uint64
		error, flags uint32
	}{id: request.id, flags: goOn}
	_, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), send, uintptr(unsafe.Pointer(&response)))
	require.Zero(t, errno)
}

// filterRegister installs a seccomp(2) filter for the registration with membarrier(2).
func filterRegister(action uint32, flags uintptr) (int, error) {
	const register = 1 << 4 // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
	return systest.InstallFilter(flags, systest.Refusal{Call: unix.SYS_MEMBARRIER, Arg: 1, Value: register, Action: action})
}
