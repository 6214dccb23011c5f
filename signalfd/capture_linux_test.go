package signalfd_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/capture/capturetest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

// raise sends sig to this thread, whose handler runs before raise returns.
func raise(sig syscall.Signal) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
}

// A signal whose handler was replaced is not read any more.
func TestReplacedIsNotRead(t *testing.T) {
	needCapture(t)
	assert.Equal(t, "read 0\n", output(t, self(t, "notify")))
}

func notifyAfterNew() error {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGTSTP))
	if err != nil {
		return err
	}
	notified := make(chan os.Signal, 1)
	signal.Notify(notified, unix.SIGTSTP)
	read := 0
	for range 400 {
		if err := unix.Kill(os.Getpid(), unix.SIGTSTP); err != nil {
			return err
		}
		for waiting := true; waiting; runtime.Gosched() {
			select {
			case <-notified:
				waiting = false
			default:
				if _, err := s.Read(); err == nil {
					read++
					waiting = false
				}
			}
		}
	}
	fmt.Println("read", read)
	return s.Close()
}

// Other code saves the handler of a capture, and puts it back after Close. The signal
// then stops the process, as it did before.
func TestHandlerPutBackStops(t *testing.T) {
	needCapture(t)
	cmd := self(t, "put back")
	// The default action of TSTP does nothing in an orphaned process group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := start(t, cmd)
	var status unix.WaitStatus
	for err := error(unix.EINTR); err == unix.EINTR; {
		_, err = unix.Wait4(p.pid(), &status, unix.WUNTRACED, nil)
	}
	require.True(t, status.Stopped(), "%#x", status)
	assert.Equal(t, unix.SIGTSTP, status.StopSignal())
	require.NoError(t, unix.Kill(p.pid(), unix.SIGCONT))
	assert.Equal(t, "continued", p.line())
	require.NoError(t, p.cmd.Wait())
}

func putHandlerBack() error {
	s, err := signalfd.New(signalfd.NewSet(unix.SIGTSTP))
	if err != nil {
		return err
	}
	putBack, err := capturetest.KeepAction(unix.SIGTSTP)
	if err != nil {
		return err
	}
	if err := errors.Join(s.Close(), putBack(), raise(unix.SIGTSTP)); err != nil {
		return err
	}
	fmt.Println("continued")
	return nil
}

// TSTP and CONT do not remove each other once they were delivered.
func TestStopAndContinueAreBothRead(t *testing.T) {
	s := newFD(t, unix.SIGTSTP, unix.SIGCONT)
	for range 200 {
		for _, sig := range []syscall.Signal{unix.SIGTSTP, unix.SIGCONT, unix.SIGTSTP} {
			require.NoError(t, raise(sig))
		}
		for _, sig := range []syscall.Signal{unix.SIGTSTP, unix.SIGCONT, unix.SIGTSTP} {
			require.Equal(t, sig, next(t, s).Signal)
		}
	}
}

// The end of a capture ends no thread, so children with Pdeathsig live on.
func TestCloseSparesChildrenWithPdeathsig(t *testing.T) {
	needCapture(t)
	for range 20 {
		cmd := self(t, "wait")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
		p := start(t, cmd)
		require.Equal(t, "ready", p.line())
		s := newFD(t, unix.SIGUSR1)
		require.NoError(t, raise(unix.SIGUSR1))
		next(t, s)
		require.NoError(t, s.Close())
		require.NoError(t, p.in.Close())
		require.NoError(t, p.cmd.Wait())
	}
}

func TestReadChildTimes(t *testing.T) {
	s := newFD(t, unix.SIGCHLD)
	for range 5 {
		cmd := self(t, "burn")
		require.NoError(t, cmd.Run())
		info := next(t, s)
		for info.PID != cmd.Process.Pid {
			info = next(t, s)
		}
		// The kernel counts ticks, and may miss most of them.
		require.NotZero(t, info.UTime+info.STime, "of %v", cmd.ProcessState)
	}
}

// burn uses 200 ms of processor time.
func burn() error {
	var usage unix.Rusage
	for usage.Utime.Nano()+usage.Stime.Nano() < int64(200*time.Millisecond) {
		if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
			return err
		}
	}
	return nil
}

// A reader that holds the lock of the pipe stops neither other SignalFDs nor
// goroutines nor Close.
func TestReaderHoldsThePipe(t *testing.T) {
	systest.NotEmulated(t, "the emulator's splice(2) does not hold the lock")
	stuck := newFD(t, unix.SIGUSR1)
	other := newFD(t, unix.SIGUSR2)
	f, err := stuck.File("signals")
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, raise(unix.SIGUSR1))
	cmd := self(t, "holder")
	cmd.ExtraFiles = []*os.File{f}
	p := start(t, cmd)
	require.Equal(t, "ready", p.line())
	ended := make(chan error, 1)
	go func() {
		_, err := p.out.ReadByte()
		ended <- err
	}()
	for !splicing(p.pid()) {
		select {
		case err := <-ended:
			require.Equal(t, io.EOF, err)
			require.NoError(t, errors.Join(p.cmd.Wait(), other.Close(), stuck.Close()))
			t.Skip("splice(2) to a full socket does not wait")
		case <-time.After(time.Millisecond):
		}
	}
	for range 100 {
		require.NoError(t, raise(unix.SIGUSR1))
		require.NoError(t, raise(unix.SIGUSR2))
		require.Equal(t, unix.SIGUSR2, next(t, other).Signal)
	}
	require.NoError(t, other.Close())
	require.NoError(t, stuck.Close())
	require.NoError(t, p.cmd.Process.Kill())
	<-ended
	_ = p.cmd.Wait()
}

// splicing reports whether a thread of the process is in splice(2).
func splicing(pid int) bool {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, thread.Name()))
		if strings.HasPrefix(string(call), fmt.Sprint(unix.SYS_SPLICE, " ")) {
			return true
		}
	}
	return false
}

// holdPipe holds the lock of the pipe 3 in splice(2), which waits for room in a
// socket.
func holdPipe() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = unix.SendmsgN(pair[0], make([]byte, 4096), nil, nil, unix.MSG_DONTWAIT)
	}
	fmt.Println("ready")
	_, err = unix.Splice(3, nil, pair[0], nil, 1<<16, 0)
	return err
}

// A pipe that is not read disturbs no other SignalFD, and neither does a broken one.
// Close does not hang.
func TestReaderIsGone(t *testing.T) {
	undrained := newFD(t, 45)
	f, err := undrained.File("signals")
	require.NoError(t, err)
	defer f.Close()
	broken := newFD(t, 46)
	require.NoError(t, broken.FD().Close())
	other := newFD(t, 47)
	for range 2000 {
		require.NoError(t, raise(45))
		if !broken.Replaced().Has(46) && len(broken.Mask().Signals()) > 0 {
			require.NoError(t, raise(46))
		}
		require.NoError(t, raise(47))
		require.Equal(t, syscall.Signal(47), next(t, other).Signal)
	}
	require.NoError(t, undrained.Close())
	require.NoError(t, broken.Close())
	left, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, 2000, len(left)/128+int(undrained.Dropped()))
}

// Processes send real-time signals with values, and standard ones beside them. In the
// meantime captures begin and end, children start and tracers stop the threads. Each
// real-time signal is read, counted by Dropped, or taken by the old handler. The
// sender, the code and the value of a read signal are right.
func TestStorm(t *testing.T) {
	needCapture(t)
	const senders = 4
	each := long(25000, 1000)
	p := start(t, self(t, "storm"))
	require.Equal(t, "ready", p.line())
	var sending sync.WaitGroup
	for n := range senders {
		from := startSender(t)
		_, err := fmt.Fprintln(p.in, "sender", from.pid())
		require.NoError(t, err)
		require.Equal(t, "known", p.line())
		sending.Go(func() {
			const burst = 100
			for i := 0; i < each; i += burst {
				assert.NoError(t, from.send("queue", p.pid(), 40, n*each+i, burst))
				assert.NoError(t, from.kill(p.pid(), unix.SIGUSR1))
				time.Sleep(5 * time.Millisecond) // less than the program can read
			}
		})
	}
	var traces *process
	if !systest.Emulated() {
		tracer := self(t, "tracer")
		tracer.Env = append(tracer.Env, fmt.Sprint("TRACED=", p.pid()))
		traces = start(t, tracer)
	}
	sending.Wait()
	if traces != nil {
		// The tracer ends before the process: a thread that is killed while it is stopped
		// stays a zombie until its tracer waits for it.
		require.NoError(t, traces.in.Close())
		t.Log(traces.line())
		require.NoError(t, traces.cmd.Wait())
	}
	_, err := fmt.Fprintln(p.in, "sent", senders*each)
	require.NoError(t, err)
	t.Log(p.line())
	require.NoError(t, p.cmd.Wait())
}

func rideStorm() error {
	const sig = syscall.Signal(40)
	if err := capturetest.Count(sig); err != nil {
		return err
	}
	beside, err := signalfd.New(signalfd.NewSet(unix.SIGUSR1))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var mu sync.Mutex
	known := make(map[int]bool)
	values := make(map[int]bool)
	var read, dropped, standard, captures, children atomic.Int64
	check := func(info signalfd.Info) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !known[info.PID] || info.UID != os.Getuid():
		case info.Signal == unix.SIGUSR1 && info.Code == signalfd.CodeUser:
			standard.Add(1)
			return nil
		case info.Signal == sig && info.Code == signalfd.CodeQueue && !values[info.Int] && uint64(capturetest.Value(info.Int)) == info.Ptr:
			values[info.Int] = true
			read.Add(1)
			return nil
		}
		return fmt.Errorf("read %+v", info)
	}
	var stop atomic.Bool
	failed := make(chan error, 3)
	background := func(f func(round int) error) {
		go func() {
			var err error
			for round := 0; !stop.Load() && err == nil; round++ {
				err = f(round)
			}
			failed <- err
		}()
	}
	background(func(round int) error {
		captures.Add(1)
		s, err := signalfd.New(signalfd.NewSet(sig))
		if err != nil {
			return err
		}
		// The file reads what is in the pipe after Close too.
		f, err := s.File("signals")
		if err != nil {
			return err
		}
		defer f.Close()
		records := bufio.NewReaderSize(f, 1<<16)
		closing := make(chan error, 1)
		go func() {
			time.Sleep(time.Duration(20+40*(round%3)) * time.Millisecond)
			closing <- s.Close()
		}()
		for err == nil {
			var info signalfd.Info
			if info, err = readRecord(records); err == nil {
				err = check(info)
			}
		}
		if err == io.EOF {
			err = nil
		}
		err = errors.Join(err, <-closing)
		dropped.Add(int64(s.Dropped()))
		return err
	})
	background(func(int) error {
		info, err := beside.ReadContext(context.Background())
		if errors.Is(err, fd.ErrClosed) {
			return nil
		}
		return errors.Join(err, check(info))
	})
	background(func(int) error {
		children.Add(2)
		_, err := capturetest.Fork(unix.SIGCONT)
		return errors.Join(err, exec.Command("/bin/true").Run())
	})
	in := bufio.NewScanner(os.Stdin)
	var sent int64
	for sent == 0 && in.Scan() {
		what, number, _ := strings.Cut(in.Text(), " ")
		var n int
		if _, err := fmt.Sscan(number, &n); err != nil {
			return err
		}
		if what == "sent" {
			sent = int64(n)
			break
		}
		mu.Lock()
		known[n] = true
		mu.Unlock()
		fmt.Println("known")
	}
	if err := in.Err(); err != nil {
		return err
	}
	stop.Store(true)
	if err := beside.Close(); err != nil {
		return err
	}
	for range 3 {
		if err := <-failed; err != nil {
			return err
		}
	}
	fmt.Printf("%d sent: %d read, %d dropped, %d handled; %d standard ones read; %d captures, %d children\n",
		sent, read.Load(), dropped.Load(), capturetest.Counted(), standard.Load(), captures.Load(), children.Load())
	for ended := time.Now(); ; time.Sleep(time.Millisecond) { // the kernel may still deliver some
		missing := sent - read.Load() - dropped.Load() - int64(capturetest.Counted())
		switch {
		case missing == 0:
			return nil
		case missing < 0 || time.Since(ended) > 10*time.Second:
			return fmt.Errorf("%d signals are missing", missing)
		}
	}
}

func readRecord(r io.Reader) (signalfd.Info, error) {
	var raw unix.SignalfdSiginfo
	if err := binary.Read(r, binary.NativeEndian, &raw); err != nil {
		return signalfd.Info{}, err
	}
	return signalfd.Info{
		Signal: syscall.Signal(raw.Signo), Code: signalfd.Code(raw.Code),
		PID: int(raw.Pid), UID: int(raw.Uid), Int: int(raw.Int), Ptr: raw.Ptr,
	}, nil
}

// trace stops and releases the threads of a process until standard input ends.
func trace() error {
	var pid int
	if _, err := fmt.Sscan(os.Getenv("TRACED"), &pid); err != nil {
		return err
	}
	var ended atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	runtime.LockOSThread()
	stops := 0
	for !ended.Load() {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			break
		}
		for _, thread := range threads {
			var tid int
			if _, err := fmt.Sscan(thread.Name(), &tid); err != nil {
				return err
			}
			if unix.PtraceSeize(tid) != nil {
				continue // it has ended, or the machine forbids it
			}
			// A thread that has ended meanwhile must be waited for too: the process does not
			// end before.
			interrupted := unix.PtraceInterrupt(tid) == nil
			var status unix.WaitStatus
			for err = unix.EINTR; err == unix.EINTR; {
				_, err = unix.Wait4(tid, &status, unix.WALL, nil)
			}
			if err != nil || !interrupted || !status.Stopped() {
				continue
			}
			stops++
			// A stop before the delivery of a signal passes the signal on.
			sig := 0
			if status.TrapCause() <= 0 && status.StopSignal() != unix.SIGTRAP {
				sig = int(status.StopSignal())
			}
			if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(tid), 0, uintptr(sig), 0, 0); errno != 0 {
				return os.NewSyscallError("ptrace", errno) // killed meanwhile
			}
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(stops, "stops by tracers")
	return nil
}
