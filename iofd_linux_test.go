package iofd_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { systest.Main(m) }

func Example() {
	efd, _ := iofd.NewEventFD(0)
	efd.Signal(1)
	val, _ := efd.Wait() // val == 1
	efd.Close()
	fmt.Println(val)
	// Output: 1
}

func ExampleNewFD() {
	rawFd, _ := unix.Eventfd(1, unix.EFD_NONBLOCK)
	fd := iofd.NewFD(rawFd)
	defer fd.Close()
	fmt.Println(int(fd.Raw()) == rawFd, fd.Valid())
	fmt.Println(fd.SetNonblock(true), fd.SetCloexec(true))

	buf := make([]byte, 8)
	n, err := fd.Read(buf)
	fmt.Println(n, err, binary.NativeEndian.Uint64(buf))
	_, err = fd.Read(buf)
	fmt.Println(err == iofd.ErrWouldBlock)
	n, err = fd.Write(buf)
	fmt.Println(n, err)

	dup, err := fd.Dup()
	fmt.Println(dup.Close(), err)
	fmt.Println(fd.Close(), fd.Valid())
	// Output:
	// true true
	// <nil> <nil>
	// 8 <nil> 1
	// true
	// 8 <nil>
	// <nil> <nil>
	// <nil> false
}

func TestNewFD(t *testing.T) {
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], 0))
	fd, other := iofd.NewFD(p[0]), iofd.NewFD(p[1])
	defer other.Close()
	assert.EqualValues(t, p[0], fd.Raw())
	assert.True(t, fd.Valid())
	require.NoError(t, fd.SetNonblock(true))
	require.NoError(t, fd.SetCloexec(true))
	_, err := fd.Read(make([]byte, 1))
	assert.ErrorIs(t, err, iofd.ErrWouldBlock)
	_, err = other.Write([]byte("x"))
	require.NoError(t, err)
	dup, err := fd.Dup()
	require.NoError(t, err)
	require.NoError(t, fd.Close())
	_, err = fd.Read(nil)
	assert.ErrorIs(t, err, iofd.ErrClosed)
	n, err := dup.Read(make([]byte, 2))
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	require.NoError(t, dup.Close())
}

var (
	_ iofd.Handle     = (*iofd.FD)(nil)
	_ iofd.Handle     = (*iofd.EventFD)(nil)
	_ iofd.Handle     = (*iofd.MemFD)(nil)
	_ iofd.Signaler   = (*iofd.EventFD)(nil)
	_ iofd.Timer      = (*iofd.TimerFD)(nil)
	_ iofd.PollCloser = (*iofd.PidFD)(nil)
	_ iofd.PollCloser = (*iofd.SignalFD)(nil)
	_ iofd.PollFd     = (*iofd.MemFD)(nil)
)

func TestCore(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	f, err := iofd.FDFromFile(w)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	peer, err := iofd.FDFromFile(r)
	require.NoError(t, err)
	defer peer.Close()

	n, err := iofd.WaitWrite(t.Context(), f, func() (int, error) { return f.Write([]byte("x")) })
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	n, err = iofd.WaitRead(t.Context(), peer, func() (int, error) { return peer.Read(make([]byte, 2)) })
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
	var pin *iofd.Pin
	pin, err = f.Pin()
	require.NoError(t, err)
	assert.Equal(t, f.Fd(), pin.Number())
	pin.Unpin()
	assert.NoError(t, f.Close())

	raw, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	require.NoError(t, err)
	fast := iofd.NewFDNonblock(raw)
	assert.Equal(t, raw, fast.Fd())
	assert.NoError(t, fast.Close())
}

// duplicate returns a duplicate of f.
func duplicate(t *testing.T, f *iofd.FD) *iofd.FD {
	t.Helper()
	dup, err := f.Dup()
	require.NoError(t, err)
	return dup
}

func TestEventFDs(t *testing.T) {
	e, err := iofd.NewEventFD(1)
	require.NoError(t, err)
	defer e.Close()
	same, err := iofd.EventFDFromFD(duplicate(t, e.FD()))
	require.NoError(t, err)
	defer same.Close()
	assert.NoError(t, same.Signal(2))
	v, err := e.Wait()
	assert.NoError(t, err)
	assert.EqualValues(t, 3, v)
	assert.ErrorIs(t, e.Signal(iofd.EventFDMaxValue+1), unix.EINVAL)

	s, err := iofd.NewEventFDSemaphore(2)
	require.NoError(t, err)
	defer s.Close()
	v, err = s.Wait()
	assert.NoError(t, err)
	assert.EqualValues(t, 1, v)
}

func TestTimerFDs(t *testing.T) {
	for clock, create := range map[iofd.Clock]func() (*iofd.TimerFD, error){
		iofd.ClockMonotonic: iofd.NewTimerFD,
		iofd.ClockRealtime:  iofd.NewTimerFDRealtime,
		iofd.ClockBoottime:  iofd.NewTimerFDBoottime,
	} {
		timer, err := create()
		require.NoError(t, err)
		assert.Equal(t, clock, timer.Clock())
		assert.NoError(t, timer.Close())
	}
	timer, err := iofd.NewTimerFDWithClock(iofd.ClockRealtime)
	require.NoError(t, err)
	defer timer.Close()
	assert.NoError(t, timer.ArmAt(time.Now(), 0, iofd.TimerFDCancelOnSet))
	same, err := iofd.TimerFDFromFD(duplicate(t, timer.FD()))
	require.NoError(t, err)
	defer same.Close()
	assert.Equal(t, iofd.ClockRealtime, same.Clock())
}

// child starts a program that ends when the test closes its standard input.
func child(t *testing.T) (cmd *exec.Cmd, end func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, "cat")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	return cmd, func() { stdin.Close() }
}

func TestPidFDs(t *testing.T) {
	cmd, end := child(t)
	p, err := iofd.StartPidFD(cmd)
	require.NoError(t, err)
	defer p.Close()
	defer cmd.Wait()
	defer end()
	pid := cmd.Process.Pid
	for name, open := range map[string]func() (*iofd.PidFD, error){
		"NewPidFD":         func() (*iofd.PidFD, error) { return iofd.NewPidFD(pid) },
		"PidFDFromFD":      func() (*iofd.PidFD, error) { return iofd.PidFDFromFD(duplicate(t, p.FD())) },
		"PidFDFromProcess": func() (*iofd.PidFD, error) { return iofd.PidFDFromProcess(cmd.Process) },
	} {
		other, err := open()
		if errors.Is(err, os.ErrNoHandle) {
			t.Log(name, err) // package os uses no pidfds under an emulator
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, pid, other.PID(), name)
		assert.NoError(t, other.Close())
	}
	_, err = iofd.OpenPidFDEnded()
	assert.ErrorIs(t, err, iofd.ErrWouldBlock)
	end()
	require.NoError(t, p.Exited(t.Context()))
	ended, err := iofd.OpenPidFDEnded()
	require.NoError(t, err)
	assert.Equal(t, pid, ended.PID())
	assert.NoError(t, ended.Close())
	var status *iofd.ExitStatus
	status, err = p.Wait()
	require.NoError(t, err)
	assert.True(t, status.Success())
	assert.NoError(t, cmd.Wait())

	self, err := iofd.PidFDSelf()
	require.NoError(t, err)
	defer self.Close()
	assert.Equal(t, os.Getpid(), self.PID())
	assert.NoError(t, self.SendSignal(0))
}

func TestOpenPidFDThread(t *testing.T) {
	thread, err := iofd.OpenPidFDThread(os.Getpid())
	systest.SkipUnsupported(t, err, 6, 9)
	defer thread.Close()
	assert.NoError(t, thread.SendSignalTo(0, iofd.SignalScopeThread))
}

func TestPidFDFromPeer(t *testing.T) {
	ends := connections(t)
	raw, err := ends[0].SyscallConn()
	require.NoError(t, err)
	peer, err := iofd.PidFDFromPeer(raw)
	systest.SkipUnsupported(t, err, 6, 5)
	defer peer.Close()
	assert.Equal(t, os.Getpid(), peer.PID())
}

// connections returns the two ends of a Unix socket.
func connections(t *testing.T) (ends [2]*net.UnixConn) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	for i, fd := range pair {
		file := os.NewFile(uintptr(fd), "socket")
		conn, err := net.FileConn(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		t.Cleanup(func() { conn.Close() })
		ends[i] = conn.(*net.UnixConn)
	}
	return ends
}

func TestMemFDs(t *testing.T) {
	plain, err := iofd.NewMemFD("plain")
	require.NoError(t, err)
	defer plain.Close()
	assert.Error(t, plain.Seal(iofd.SealWrite))
	m, err := iofd.NewMemFD("sealable", iofd.MemFDAllowSealing)
	require.NoError(t, err)
	defer m.Close()
	assert.NoError(t, m.Seal(iofd.SealWrite))
	_, err = iofd.NewMemFD("huge", iofd.MemFDHugeTLB(1))
	assert.ErrorIs(t, err, unix.EINVAL)

	sealable, err := iofd.NewMemFDSealable("sealable")
	require.NoError(t, err)
	defer sealable.Close()
	_, err = sealable.Write([]byte("text"))
	assert.NoError(t, err)
	assert.NoError(t, sealable.Seal(iofd.SealWrite))

	same, err := iofd.MemFDFromFD(duplicate(t, sealable.FD()))
	require.NoError(t, err)
	defer same.Close()
	seals, err := same.Seals()
	assert.NoError(t, err)
	assert.NotZero(t, seals&iofd.SealWrite)
	var mapping *iofd.Mapping
	mapping, err = same.Map(0, 4, iofd.ProtReadOnly)
	require.NoError(t, err)
	assert.Equal(t, "text", string(mapping.Bytes()))
	assert.NoError(t, mapping.Close())
}

// NewMemFDSealed made an unsealed file before.
func TestNewMemFDSealedSeals(t *testing.T) {
	m, err := iofd.NewMemFDSealed("x", []byte("text"))
	require.NoError(t, err)
	defer m.Close()
	immutable, err := m.Immutable()
	assert.NoError(t, err)
	assert.True(t, immutable)
	_, err = m.WriteAt([]byte("T"), 0)
	assert.ErrorIs(t, err, unix.EPERM)
	got := make([]byte, 4)
	_, err = m.ReadAt(got, 0)
	assert.NoError(t, err)
	assert.Equal(t, "text", string(got))

	ends := connections(t)
	require.NoError(t, m.SendTo(ends[0]))
	received, err := iofd.ReceiveMemFD(ends[1], iofd.SealWrite|iofd.SealShrink|iofd.SealGrow)
	require.NoError(t, err)
	assert.Equal(t, "x", received.Name())
	assert.NoError(t, received.Close())
}

func TestNewMemFDSecret(t *testing.T) {
	m, err := iofd.NewMemFDSecret()
	systest.SkipWithoutSecret(t, err)
	defer m.Close()
	_, err = m.Write([]byte("x"))
	assert.Error(t, err, "it can only be mapped")
}

// captures says that signalfd.New works on a port: it takes assembly.
var captures = slices.Contains([]string{"amd64", "arm64", "loong64", "riscv64"}, runtime.GOARCH)

func TestSignalFDs(t *testing.T) {
	set := iofd.NewSigSet(unix.SIGUSR2)
	assert.True(t, set.Has(unix.SIGUSR2))
	s, err := iofd.NewSignalFD(set)
	if captures {
		require.NoError(t, err)
		defer s.Close()
		require.NoError(t, unix.Kill(os.Getpid(), unix.SIGUSR2))
		var info iofd.SignalInfo
		info, err = s.ReadContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, unix.SIGUSR2, info.Signal)
		assert.Equal(t, iofd.SignalCodeUser, info.Code)
	} else {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}

	bare, err := iofd.OpenSignalFD(set)
	require.NoError(t, err)
	defer bare.Close()
	same, err := iofd.SignalFDFromFD(duplicate(t, bare.FD()))
	require.NoError(t, err)
	defer same.Close()
	assert.Equal(t, set, same.Mask())

	var unblockable *iofd.UnblockableError
	require.ErrorAs(t, iofd.BlockSignals(iofd.NewSigSet(unix.SIGKILL)), &unblockable)
	assert.Equal(t, iofd.NewSigSet(unix.SIGKILL), unblockable.Signals)
	cmd, end := child(t)
	require.NoError(t, iofd.StartUnblocked(cmd))
	end()
	assert.NoError(t, cmd.Wait())
}
