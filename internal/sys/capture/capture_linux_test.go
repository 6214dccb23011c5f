//go:build amd64 || arm64 || riscv64 || loong64

package capture

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { systest.Main(m) }

func set(sigs ...syscall.Signal) (s uint64) {
	for _, sig := range sigs {
		s |= 1 << (sig - 1)
	}
	return s
}

// begin captures sigs until the end of the test.
func begin(t *testing.T, sigs ...syscall.Signal) *Capture {
	t.Helper()
	c, err := New(set(sigs...))
	require.NoError(t, err)
	t.Cleanup(func() { end(c) })
	return c
}

// end ends c and returns how many siginfos were left.
func end(c *Capture) (left int) {
	if c.ended.Load() {
		return 0
	}
	c.End()
	var info Siginfo
	for c.Next(&info) {
		left++
	}
	c.Free()
	return left
}

// raise sends sig to this thread, whose handler runs before raise returns.
func raise(t testing.TB, sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, unix.Tgkill(os.Getpid(), unix.Gettid(), sig))
}

// The ring keeps the order, counts what it has no room for, and goes on after that. It is
// filled once only, because a signal takes an emulator a millisecond.
func TestRingFull(t *testing.T) {
	const sig, few = syscall.Signal(50), 10
	c := begin(t, sig)
	sent := uint64(0)
	send := func(n int) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for range n {
			queued := capturetest.Forge(sig, -1, func() uint64 { return 0 })
			binary.NativeEndian.PutUint64(queued[24:], sent)
			require.NoError(t, capturetest.QueueToThread(sig, &queued))
			sent++
		}
	}
	var info Siginfo
	read := func(first uint64, n int) {
		for i := range uint64(n) {
			require.True(t, c.Next(&info))
			require.Equal(t, first+i, binary.NativeEndian.Uint64(info[24:]))
		}
	}
	send(few) // the next records go round the end of the ring
	read(0, few)
	send(slots + few)
	require.Equal(t, uint64(few), c.Dropped())
	read(few, few)
	send(2 * few) // there is room for half of them
	read(2*few, slots-few)
	read(slots+2*few, few)
	require.False(t, c.Next(&info))
	end(c)
	assert.Equal(t, uint64(2*few), c.Dropped(), "after the end")
	again := begin(t, sig)
	assert.Zero(t, again.Dropped())
}

// A signal that finds the ring full while its capture begins is counted.
func TestFullAtTheBeginning(t *testing.T) {
	const first, second = syscall.Signal(50), syscall.Signal(51)
	defer rtSigaction(second, new(action), nil)
	again := begin(t, second)
	putBack, err := capturetest.KeepAction(second)
	require.NoError(t, err)
	end(again)
	require.NoError(t, putBack())

	c := begin(t, first)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range slots {
		queued := capturetest.Forge(first, -1, func() uint64 { return 0 })
		require.NoError(t, capturetest.QueueToThread(first, &queued))
	}
	e := &table[second]
	e.active.Add(1) // a handler, for which the beginning waits
	changed := make(chan error)
	go func() { changed <- c.Change(set(first, second)) }()
	for e.ring.Load() == 0 {
		runtime.Gosched()
	}
	raise(t, second)
	e.active.Add(-1)
	require.NoError(t, <-changed)
	assert.Equal(t, uint64(1), c.Dropped())
	assert.Equal(t, slots, end(c))
}

// A capture neither ends nor begins while a handler runs that has seen the old state.
func TestWaitsForHandlers(t *testing.T) {
	const sig = syscall.Signal(50)
	e := &table[sig]
	for name, change := range map[string]func(c *Capture) error{
		"New":    func(*Capture) error { c, err := New(set(sig)); end(c); return err },
		"End":    func(c *Capture) error { end(c); return nil },
		"Change": func(c *Capture) error { return c.Change(0) },
	} {
		t.Run(name, func(t *testing.T) {
			var c *Capture
			if name != "New" {
				c = begin(t, sig)
			}
			before, err := capturetest.Action(sig)
			require.NoError(t, err)
			e.active.Add(1) // a handler
			changed := make(chan error)
			go func() { changed <- change(c) }()
			for (e.ring.Load() != 0) != (name == "New") {
				runtime.Gosched()
			}
			select {
			case <-changed:
				t.Error("did not wait")
			case <-time.After(20 * time.Millisecond):
			}
			if name == "New" {
				now, err := capturetest.Action(sig)
				require.NoError(t, err)
				assert.Equal(t, before, now, "the handler is installed before the wait")
			}
			e.active.Add(-1)
			if !t.Failed() {
				require.NoError(t, <-changed)
			}
		})
	}
}

// A handler, or Arm itself, writes to the eventfd of the reader that sleeps. The
// number of a later Arm replaces that of an earlier one.
func TestReaderWakes(t *testing.T) {
	const sig = syscall.Signal(50)
	count := 20000
	if testing.Short() {
		count = 2000
	}
	c := begin(t, sig)
	var eventfds [2]int
	for i := range eventfds {
		var err error
		eventfds[i], err = unix.Eventfd(0, unix.EFD_CLOEXEC)
		require.NoError(t, err)
		defer unix.Close(eventfds[i])
	}
	read := make(chan bool, 1)
	go func() {
		var info Siginfo
		for n := 0; n < count; {
			for c.Next(&info) {
				n++
				read <- true
			}
			c.Arm(eventfds[0])
			c.Arm(eventfds[1])
			b := make([]byte, 8)
			if n < count {
				_, err := unix.Read(eventfds[1], b)
				assert.NoError(t, err)
			}
		}
	}()
	for range count {
		raise(t, sig)
		select {
		case <-read:
		case <-time.After(20 * time.Second):
			t.Fatal("the reader sleeps")
		}
	}
	assert.True(t, c.Empty())
	assert.False(t, c.Ended())
	require.Zero(t, end(c))
	assert.True(t, c.Ended())
}

// A handler writes to no eventfd if no reader sleeps.
func TestReaderIsAwake(t *testing.T) {
	const sig = syscall.Signal(50)
	c := begin(t, sig)
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	defer unix.Close(number)
	written := func() uint64 {
		b := make([]byte, 8)
		if _, err := unix.Read(number, b); err != nil {
			require.Equal(t, unix.EAGAIN, err)
			return 0
		}
		return binary.NativeEndian.Uint64(b)
	}
	raise(t, sig)
	require.Zero(t, written())
	c.Arm(number) // there is a signal
	require.Equal(t, uint64(1), written())
	raise(t, sig)
	require.Zero(t, written())
	var info Siginfo
	require.True(t, c.Next(&info))
	require.True(t, c.Next(&info))
	require.True(t, c.Empty())
	c.Arm(number)
	require.Zero(t, written())
	raise(t, sig)
	raise(t, sig)
	require.Equal(t, uint64(1), written())
	require.Equal(t, 2, end(c))
}

// A capture that gets the ring of an earlier one does not write to the eventfd of that
// one, whose number may be another descriptor by now.
func TestNextCaptureDoesNotWriteToTheEarlierEventfd(t *testing.T) {
	const sig = syscall.Signal(50)
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	defer unix.Close(number)
	earlier := begin(t, sig)
	earlier.Arm(number)
	end(earlier)
	begin(t, sig)
	raise(t, sig)
	_, err = unix.Read(number, make([]byte, 8))
	assert.ErrorIs(t, err, unix.EAGAIN)
}

func TestOverlapIsBusy(t *testing.T) {
	a := begin(t, 50, 51)
	b := begin(t, 52)
	_, err := New(set(51, 53))
	require.ErrorIs(t, err, unix.EBUSY)
	require.ErrorIs(t, b.Change(set(50, 53)), unix.EBUSY)
	assert.Equal(t, set(52), b.Set())
	require.NoError(t, Busy(set(53)), "the refusal left nothing captured")
	require.ErrorIs(t, Busy(set(50)), unix.EBUSY)
	end(a)
	require.NoError(t, b.Change(set(50, 51)))
	end(b)
	require.ErrorIs(t, b.Change(0), sys.ErrClosed)
}

// Other code saves the handler by signal(2), and puts it back without SA_SIGINFO. The
// kernel gives no siginfo then. It gives one again if SA_SIGINFO is back.
func TestHandlerWithoutSiginfo(t *testing.T) {
	const sig = syscall.Signal(50)
	c := begin(t, sig)
	bare := newAction()
	bare.flags &^= flagInfo
	putBack, err := capturetest.KeepAction(sig)
	require.NoError(t, err)
	rtSigaction(sig, &bare, nil)
	raise(t, sig)
	require.NoError(t, putBack())
	raise(t, sig)
	var info Siginfo
	require.True(t, c.Next(&info))
	want := Siginfo{0: byte(sig)}
	assert.Equal(t, want, info)
	require.True(t, c.Next(&info))
	assert.Equal(t, uint32(os.Getpid()), binary.NativeEndian.Uint32(info[16:]))
}

// The cases of the handler without a capture. Each is a process of its own, because
// the first action of a signal is remembered.
var uncaptured = map[string]struct {
	sig     syscall.Signal
	prepare func()
	want    string
}{
	"default ends the process":  {sig: 34, want: "signal 34"},
	"default ignores":           {sig: unix.SIGCONT, want: "lives"},
	"ignored":                   {sig: 34, prepare: func() { signal.Ignore(syscall.Signal(34)); ignore(34) }, want: "lives"},
	"the runtime's, unnotified": {sig: unix.SIGTERM, want: "signal 15"},
	"the runtime's, ignoring":   {sig: unix.SIGUSR1, want: "lives"},
	"the runtime's, notified":   {sig: unix.SIGUSR1, prepare: func() { signal.Notify(notified, unix.SIGUSR1) }, want: "notified lives"},
}

var notified = make(chan os.Signal, 1)

func ignore(sig syscall.Signal) { rtSigaction(sig, &action{handler: sigIgnore}, nil) }

// Other code saves the handler, and puts it back when the capture has ended. The
// signal then does what it did before the first capture, and has that action again
// unless it was ignored.
func TestHandlerPutBack(t *testing.T) {
	const name = "TestHandlerPutBack"
	if systest.IsChild(name) {
		test := uncaptured[os.Getenv("CASE")]
		if test.prepare != nil {
			test.prepare()
		}
		want, err := capturetest.Action(test.sig)
		require.NoError(t, err)
		for range 2 {
			c := begin(t, test.sig)
			putBack, err := capturetest.KeepAction(test.sig)
			require.NoError(t, err)
			require.Zero(t, end(c))
			require.NoError(t, putBack())
		}
		raise(t, test.sig)
		select {
		case <-notified:
			fmt.Print("notified ")
		case <-time.After(20 * time.Millisecond):
		}
		after, err := capturetest.Action(test.sig)
		require.NoError(t, err)
		if os.Getenv("CASE") != "ignored" && !assert.Equal(t, want, after) {
			os.Exit(1)
		}
		// It can be captured again.
		c := begin(t, test.sig)
		raise(t, test.sig)
		if assert.Equal(t, 1, end(c)) {
			fmt.Print("lives")
		}
		os.Exit(0)
	}
	for name, test := range uncaptured {
		t.Run(name, func(t *testing.T) {
			cmd := systest.Child(t, "TestHandlerPutBack")
			cmd.Env = append(cmd.Env, "CASE="+name)
			status, out, errs := systest.Result(t, cmd)
			if status > 128 {
				out = fmt.Sprintf("signal %d", status-128)
			}
			assert.Contains(t, out, test.want, errs)
		})
	}
}

// The capture ends, and the default action is back, before a handler has looked. A
// handler of one shot makes that order certain.
func TestHandlerIsLate(t *testing.T) {
	const name, sig, once = "TestHandlerIsLate", 34, 0x80000000 // SA_RESETHAND
	if systest.IsChild(name) {
		end(begin(t, sig))
		late := newAction()
		late.flags |= once
		rtSigaction(sig, &late, nil)
		raise(t, sig)
		os.Exit(0)
	}
	status, _, errs := systest.Result(t, systest.Child(t, name))
	assert.Equal(t, 128+sig, status, errs)
}

// A seccomp(2) filter refuses to look at the action and to change it. The handler still
// appends. Without a capture it returns: the signal that it sends to
// itself would come again and again.
func TestHandlerCannotRestore(t *testing.T) {
	const name, sig = "TestHandlerCannotRestore", 34
	if systest.IsChild(name) {
		c := begin(t, sig)
		raise(t, sig)
		runtime.LockOSThread()
		_, err := systest.InstallFilter(0, systest.Refusal{Call: unix.SYS_RT_SIGACTION, Errno: unix.EPERM, Arg: 1, Value: sig})
		require.NoError(t, err)
		raise(t, sig)
		left := end(c)
		raise(t, sig)
		fmt.Print(left, " lives")
		os.Exit(0)
	}
	systest.NotEmulated(t, "the emulator has no seccomp(2)")
	_, out, errs := systest.Result(t, systest.Child(t, name))
	assert.Contains(t, out, "2 lives", errs)
}

// Other code calls the handler from its own handler. It takes the signal while the
// capture lasts. After the end, the handler does not reset the action, which is not
// its own.
func TestHandlerIsCalled(t *testing.T) {
	const sig = unix.SIGCONT // default before
	defer rtSigaction(sig, new(action), nil)
	c := begin(t, sig)
	require.NoError(t, capturetest.Chain(sig))
	before, err := capturetest.Action(sig)
	require.NoError(t, err)
	assert.Equal(t, set(sig), c.Replaced())
	raise(t, sig)
	require.Equal(t, 1, end(c))
	raise(t, sig)
	after, err := capturetest.Action(sig)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Zero(t, capturetest.Clobbered(), "registers of the caller")
}

// A child that has not executed a program does what it did before the capture, and
// leaves the parent's state alone. With a copy of the memory it runs the handler that
// was there. With shared memory it takes the default action instead, as the children
// of package os do.
func TestChildren(t *testing.T) {
	const name = "TestChildren"
	if systest.IsChild(name) {
		test := uncaptured[os.Getenv("CASE")]
		if test.prepare != nil {
			test.prepare()
		}
		c := begin(t, test.sig)
		before, err := capturetest.Action(test.sig)
		require.NoError(t, err)
		for _, child := range []func(syscall.Signal) (unix.WaitStatus, error){capturetest.Fork, capturetest.Vfork} {
			status, err := child(test.sig)
			require.NoError(t, err)
			if status.Signaled() {
				fmt.Printf("signal %d ", status.Signal())
			} else {
				fmt.Printf("exit %d ", status.ExitStatus())
			}
		}
		assert.Zero(t, c.Dropped())
		after, err := capturetest.Action(test.sig)
		require.NoError(t, err)
		assert.Equal(t, before, after)
		assert.Zero(t, table[test.sig].active.Load())
		assert.Empty(t, notified)
		if assert.Zero(t, end(c)) {
			fmt.Print("untouched")
		}
		os.Exit(0)
	}
	for name, want := range map[string]string{
		"default ends the process":  "signal 34 signal 34 untouched",
		"default ignores":           "exit 0 exit 0 untouched",
		"ignored":                   "exit 0 exit 0 untouched",
		"the runtime's, unnotified": "signal 15 signal 15 untouched",
		"the runtime's, ignoring":   "exit 0 signal 10 untouched",
		"the runtime's, notified":   "exit 0 signal 10 untouched",
	} {
		t.Run(name, func(t *testing.T) {
			if want == "exit 0 signal 10 untouched" && systest.Emulated() {
				t.Skip("the emulator copies the memory of a child of vfork(2)")
			}
			cmd := systest.Child(t, "TestChildren")
			cmd.Env = append(cmd.Env, "CASE="+name)
			_, out, errs := systest.Result(t, cmd)
			assert.Contains(t, out, want, errs)
		})
	}
}

// Without memory for a ring nothing is captured. Without the page that a child of
// fork(2) does not inherit, ownMemory stays as it was.
func TestMemoryRefused(t *testing.T) {
	changing.Lock()
	defer changing.Unlock()
	rings, own := spare, ownMemory
	defer func() { spare, ownMemory = rings, own }()
	spare, ownMemory = nil, 0
	refuse := func(do func(), call uintptr, arg int, value uint32) {
		systest.Refuse(t, do, systest.Refusal{Call: call, Errno: unix.EPERM, Arg: arg, Value: value})
	}
	refuse(func() {
		_, err := newRing()
		assert.ErrorIs(t, err, unix.EPERM)
	}, unix.SYS_MMAP, 2, uint32(unsafe.Sizeof(ring{})))
	refuse(markMemory, unix.SYS_MMAP, 2, uint32(os.Getpagesize()))
	refuse(markMemory, unix.SYS_MADVISE, 3, unix.MADV_WIPEONFORK)
	assert.Zero(t, ownMemory)
}
