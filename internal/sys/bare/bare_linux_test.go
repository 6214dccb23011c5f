package bare_test

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/bare"
	"code.hybscloud.com/iofd/internal/sys/systest"
)

func TestMain(m *testing.M) { systest.Main(m) }

func TestCall3ReturnsResult(t *testing.T) {
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	require.NoError(t, err)
	defer unix.Close(number)

	out, in := make([]byte, 8), make([]byte, 9)
	binary.NativeEndian.PutUint64(out, 0x0102030405060708)
	assert.Equal(t, 8, bare.Call3(unix.SYS_WRITE, uintptr(number), unsafe.Pointer(&out[0]), 8))
	assert.Equal(t, 8, bare.Call3(unix.SYS_READ, uintptr(number), unsafe.Pointer(&in[0]), 9))
	assert.Equal(t, append(out, 0), in)
	assert.Equal(t, -int(unix.EAGAIN), bare.Call3(unix.SYS_READ, uintptr(number), unsafe.Pointer(&in[0]), 8))
}

func TestCall4PassesEachArgument(t *testing.T) {
	number, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(number)

	armed := unix.ItimerSpec{Interval: unix.Timespec{Sec: 7}, Value: unix.Timespec{Sec: 3600}}
	var disarmed, old unix.ItimerSpec
	settime := func(flags uintptr, set, old *unix.ItimerSpec) int {
		return bare.Call4(unix.SYS_TIMERFD_SETTIME, uintptr(number), flags, unsafe.Pointer(set), unsafe.Pointer(old))
	}
	assert.Zero(t, settime(0, &armed, nil))
	assert.Zero(t, settime(0, &disarmed, &old))
	assert.Equal(t, armed.Interval, old.Interval)
	assert.Equal(t, -int(unix.EINVAL), settime(1<<10, &armed, nil))
}

func TestCallsDoNotAllocate(t *testing.T) {
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		var p [8]byte
		bare.Call3(unix.SYS_READ, ^uintptr(0), unsafe.Pointer(&p), 8)
		bare.Call4(unix.SYS_FCNTL, ^uintptr(0), 0, unsafe.Pointer(&p), nil)
	}))
}
