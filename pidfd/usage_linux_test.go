package pidfd_test

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/pidfd"
)

const (
	ballastVar = "PIDFD_TEST_BALLAST" // in bytes
	burned     = 50 * time.Millisecond
)

// ballast returns resident memory.
func ballast(size int64) []byte {
	memory := make([]byte, size)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	return memory
}

// user uses memory and CPU time.
func user() {
	size, err := strconv.ParseInt(os.Getenv(ballastVar), 10, 64)
	if err != nil {
		panic(err)
	}
	memory := ballast(size)
	if err := burn(); err != nil {
		panic(err)
	}
	ready("ready")
	memory[0] = 2
}

// burn returns when this process has used some CPU time.
func burn() error {
	for used := time.Duration(0); used < burned; {
		var usage unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
			return os.NewSyscallError("getrusage", err)
		}
		used = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return nil
}

func TestUsage(t *testing.T) {
	systest.NotEmulated(t, "the emulator uses memory of its own")
	const size = 32 << 20
	var p *pidfd.PidFD
	child := act(t, startInto(&p), "user", ballastVar+"="+strconv.Itoa(size))
	defer p.Close()
	usage, err := p.Usage()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, usage.RSS, int64(size))
	assert.GreaterOrEqual(t, usage.PeakRSS, int64(size))
	assert.Less(t, usage.PeakRSS, int64(size+1<<30))
	assert.GreaterOrEqual(t, usage.UserTime+usage.SystemTime, burned-20*time.Millisecond, "each is rounded down to 10 ms")

	require.NoError(t, child.dismiss())
	require.NoError(t, p.Exited(soon(t)))
	usage, err = p.Usage()
	assert.NoError(t, ended(err), "a zombie")
	assert.Zero(t, usage)
	require.NoError(t, child.cmd.Wait())
	_, err = p.Usage()
	assert.NoError(t, ended(err), "reaped")
	require.NoError(t, p.Close())
	_, err = p.Usage()
	assert.Equal(t, fd.ErrClosed, err)
}

func TestUsageOfThread(t *testing.T) {
	require.NoError(t, burn())
	onThread(t, func(thread *pidfd.PidFD, _ int) {
		self, err := pidfd.Self()
		if !assert.NoError(t, err) {
			return
		}
		defer self.Close()
		of, err := thread.Usage()
		assert.NoError(t, err)
		all, err := self.Usage()
		assert.NoError(t, err)
		assert.Positive(t, of.RSS)
		assert.Less(t, of.UserTime+of.SystemTime, all.UserTime+all.SystemTime)
	})
}

func TestUsageWithoutProc(t *testing.T) {
	self, err := pidfd.Self()
	require.NoError(t, err)
	defer self.Close()
	for errno, want := range map[unix.Errno]error{
		unix.EPERM:  unix.EPERM,
		unix.ENOSYS: errors.ErrUnsupported,
	} {
		systest.Refuse(t, func() {
			_, err := self.Usage()
			assert.ErrorIs(t, err, want)
		}, systest.Refusal{Call: unix.SYS_OPENAT2, Errno: errno})
	}
	systest.Refuse(t, func() {
		_, err := self.Usage()
		assert.ErrorIs(t, err, unix.ENOMEM)
	}, systest.Refusal{Call: unix.SYS_PPOLL, Errno: unix.ENOMEM})
}

// execve(2) adds the peak of the parent to the peak of the child.
func TestMaxRSS(t *testing.T) {
	systest.NotEmulated(t, "the emulator uses memory of its own")
	const size = 64 << 20
	memory := ballast(size)
	small := exec.Command("true")
	p, err := pidfd.Start(small)
	require.NoError(t, err)
	defer p.Close()
	status := wait(t, p)
	require.NoError(t, small.Wait())
	assert.False(t, status.MaxRSSExact(), "%d bytes", status.MaxRSS())
	assert.GreaterOrEqual(t, status.MaxRSS(), int64(size), "the kernel has become better, so the limit may")
	memory[0] = 2

	larger := int64(size)
	for !pidfd.IsOwnPeak(larger, pidfd.OwnPeak()+size) {
		larger += size
	}
	for name, exact := range map[string]bool{"Start": true, "Open": false} {
		child := act(t, startInto(&p), "user", ballastVar+"="+strconv.FormatInt(larger, 10))
		defer p.Close()
		if name == "Open" {
			p, err = pidfd.Open(p.PID())
			require.NoError(t, err)
			defer p.Close()
		}
		require.NoError(t, child.dismiss())
		status := wait(t, p)
		assert.Equal(t, exact, status.MaxRSSExact(), "%s: %d bytes", name, status.MaxRSS())
		assert.GreaterOrEqual(t, status.MaxRSS(), larger, name)
		dup, err := p.Dup()
		require.NoError(t, err)
		assert.Equal(t, status, wait(t, dup), name)
		require.NoError(t, dup.Close())
		_ = child.cmd.Wait()
		_ = child.cmd.Process.Release() // if p has reaped it
	}
}

func TestIsOwnPeak(t *testing.T) {
	const limit = math.MaxInt64 / 2
	assert.False(t, pidfd.IsOwnPeak(limit, 0), "the parent's is not known")
	assert.False(t, pidfd.IsOwnPeak(1<<20, 1<<20))
	assert.False(t, pidfd.IsOwnPeak(1<<20+4096, 1<<20), "the kernel counts in batches")
	assert.True(t, pidfd.IsOwnPeak(limit, 1<<20))
	without := int64(0)
	systest.Refuse(t, func() { without = pidfd.OwnPeak() }, systest.Refusal{Call: unix.SYS_OPENAT2, Errno: unix.EPERM})
	assert.Positive(t, without, "by getrusage(2)")
	systest.Refuse(t, func() { without = pidfd.OwnPeak() },
		systest.Refusal{Call: unix.SYS_OPENAT2, Errno: unix.EPERM}, systest.Refusal{Call: unix.SYS_GETRUSAGE, Errno: unix.EPERM})
	assert.Zero(t, without)
}

func FuzzParseMemory(f *testing.F) {
	for _, seed := range []string{"VmHWM:\t    1234 kB\n", "VmHWM:\n", "VmHWM: -1 kB", "VmHWM: 9223372036854775807 kB", "VmHWM: 1", "x", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, status []byte) {
		bytes, ok := pidfd.ParseMemory(status, "VmHWM")
		if ok {
			assert.GreaterOrEqual(t, bytes, int64(0))
			assert.Zero(t, bytes%1024)
		}
	})
}

func FuzzParseTimes(f *testing.F) {
	for _, seed := range []string{
		"7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 12 34 0 0 20 0 1 0 9 0 0",
		"7 (sh) S 1 7 7 0 -1 0 0 0 0 0 -1 0", "7 (sh) S 1 2 3 4 5 6 7 8 9 10 9223372036854775807 1", "7 (", ") ", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stat []byte) {
		usage, err := pidfd.ParseTimes(stat)
		if err != nil {
			assert.ErrorIs(t, err, unix.EPROTO)
			return
		}
		assert.GreaterOrEqual(t, usage.UserTime, time.Duration(0))
		assert.GreaterOrEqual(t, usage.SystemTime, time.Duration(0))
	})
}

func TestParseTimes(t *testing.T) {
	usage, err := pidfd.ParseTimes([]byte("7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 12 34 0 0 20"))
	assert.NoError(t, err)
	assert.Equal(t, pidfd.Usage{UserTime: 120 * time.Millisecond, SystemTime: 340 * time.Millisecond}, usage)
	bytes, ok := pidfd.ParseMemory([]byte("VmPeak:\t 9 kB\nVmHWM:\t    1234 kB\n"), "VmHWM")
	assert.True(t, ok)
	assert.Equal(t, int64(1234<<10), bytes)
}

// The limit is 1<<40 for a process that took over a larger peak from its parent.
func TestIsExactAsksProcWhenNeeded(t *testing.T) {
	const inherited, larger = int64(1 << 40), int64(1 << 39)
	defer pidfd.SeenPeak.Store(pidfd.SeenPeak.Load())
	pidfd.SeenPeak.Store(0)
	assert.False(t, pidfd.IsExact(larger, 0), "the parent's is not known")
	assert.True(t, pidfd.IsExact(larger, 1<<20))
	assert.Zero(t, pidfd.SeenPeak.Load(), "the limit is sufficient")

	assert.True(t, pidfd.IsExact(larger, inherited))
	seen := pidfd.SeenPeak.Load()
	assert.Positive(t, seen, "ownPeak is needed")
	assert.False(t, pidfd.IsExact(seen, inherited))

	pidfd.SeenPeak.Store(larger)
	assert.False(t, pidfd.IsExact(larger, inherited), "a peak does not fall")
	assert.Equal(t, larger, pidfd.SeenPeak.Load())
}
