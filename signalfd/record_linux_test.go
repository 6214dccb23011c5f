package signalfd

import (
	"bytes"
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The offsets agree with the layout that golang.org/x/sys has.
func TestRecordLayout(t *testing.T) {
	raw := unix.SignalfdSiginfo{
		Signo: 17, Errno: 2, Code: -3, Pid: 4, Uid: 1 << 30, Fd: -6, Tid: 7, Band: 8, Overrun: 9, Trapno: 10,
		Status: -11, Int: -12, Ptr: 13 << 40, Utime: 14, Stime: 15, Addr: 16 << 40, Addr_lsb: 17, Syscall: 18,
		Call_addr: 19 << 40, Arch: 20,
	}
	var b bytes.Buffer
	require.NoError(t, binary.Write(&b, binary.NativeEndian, &raw))
	require.Equal(t, recordSize, b.Len())
	assert.Equal(t, Info{
		Signal: syscall.SIGCHLD, Errno: 2, Code: -3, PID: 4, UID: 1 << 30, FD: -6, TID: 7, Band: 8, Overrun: 9, TrapNo: 10,
		Status: -11, Int: -12, Ptr: 13 << 40, UTime: 140 * time.Millisecond, STime: 150 * time.Millisecond, Addr: 16 << 40,
		AddrLSB: 17, Syscall: 18, CallAddr: 19 << 40, Arch: 20,
	}, (*record)(b.Bytes()).info())
}

func TestInfoString(t *testing.T) {
	for _, test := range []struct {
		info Info
		want string
	}{
		{Info{Signal: unix.SIGTERM, PID: 1, UID: 2}, "SIGTERM SI_USER pid 1 uid 2"},
		{Info{Signal: 40, Code: CodeQueue, PID: 1, Int: -3}, "40 SI_QUEUE pid 1 uid 0 int -3"},
		{Info{Signal: unix.SIGCHLD, Code: CodeKilled, PID: 1, Status: 9}, "SIGCHLD CLD_KILLED pid 1 uid 0 status 9"},
		{Info{Signal: unix.SIGCHLD, PID: 1}, "SIGCHLD SI_USER pid 1 uid 0"},
		{Info{Signal: unix.SIGIO, Code: 2, FD: 5, Band: 4}, "SIGIO POLL_OUT fd 5 band 0x4"},
		{Info{Signal: 40, Code: 1, FD: 5, Band: 1}, "40 code 1 fd 5 band 0x1"},
		{Info{Signal: unix.SIGALRM, Code: CodeTimer, TID: 1, Overrun: 2, Int: 3}, "SIGALRM SI_TIMER timer 1 overrun 2 int 3"},
		{Info{Signal: unix.SIGUSR1, Code: -60}, "SIGUSR1 code -60 pid 0 uid 0"},
	} {
		assert.Equal(t, test.want, test.info.String())
	}
	assert.Equal(t, "SI_TKILL", CodeTkill.String())
	assert.Equal(t, "code 1", CodeExited.String())
}

func TestParseMask(t *testing.T) {
	assert.Equal(t, NewSet(unix.SIGUSR1), parseMask("0000000000000200"))
	assert.Equal(t, NewSet(64), parseMask("ffffffffffffffff8000000000000000"))
	assert.Empty(t, parseMask(""))
	assert.Equal(t, Set(0x5001), setOf(Set(0x5001).sigset()))
	assert.Equal(t, ^Set(0), setOf((^Set(0)).sigset()))
}
