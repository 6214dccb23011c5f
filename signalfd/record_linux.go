package signalfd

import (
	"encoding/binary"
	"syscall"
	"time"

	"code.hybscloud.com/iofd/internal/sys/capture"
)

// A record is the kernel's signalfd_siginfo, unix.SignalfdSiginfo, as it is read.
type record [recordSize]byte

const recordSize = 128

// records are as many as are read at once. They fill PIPE_BUF, 4096 bytes, so a
// pipe that polls as writable takes them whole, and that many are read without
// telling the scheduler.
type records [maxRecords * recordSize]byte

const maxRecords = 4096 / recordSize

func (rs *records) at(i int) *record { return (*record)(rs[i*recordSize:]) }

// Where the fields of a record begin.
const (
	offSigno    = 0
	offErrno    = 4
	offCode     = 8
	offPID      = 12
	offUID      = 16
	offFD       = 20
	offTID      = 24
	offBand     = 28
	offOverrun  = 32
	offTrapNo   = 36
	offStatus   = 40
	offInt      = 44
	offPtr      = 48
	offUTime    = 56
	offSTime    = 64
	offAddr     = 72
	offAddrLSB  = 80
	offSyscall  = 84
	offCallAddr = 88
	offArch     = 96
)

func (r *record) u16(off int) uint16 { return binary.NativeEndian.Uint16(r[off:]) }
func (r *record) u32(off int) uint32 { return binary.NativeEndian.Uint32(r[off:]) }
func (r *record) i32(off int) int32  { return int32(r.u32(off)) }
func (r *record) u64(off int) uint64 { return binary.NativeEndian.Uint64(r[off:]) }

func (r *record) put32(off int, v uint32) { binary.NativeEndian.PutUint32(r[off:], v) }
func (r *record) put64(off int, v uint64) { binary.NativeEndian.PutUint64(r[off:], v) }

// clockTick is the unit of ssi_utime and ssi_stime: USER_HZ is 100 on every
// processor that Go knows.
const clockTick = time.Second / 100

func (r *record) info() Info {
	return Info{
		Signal:   syscall.Signal(r.u32(offSigno)),
		Errno:    syscall.Errno(r.u32(offErrno)),
		Code:     Code(r.i32(offCode)),
		PID:      int(r.i32(offPID)),
		UID:      int(r.u32(offUID)),
		FD:       int(r.i32(offFD)),
		TID:      int(r.i32(offTID)),
		Band:     r.u32(offBand),
		Overrun:  int(r.u32(offOverrun)),
		TrapNo:   int(r.u32(offTrapNo)),
		Status:   int(r.i32(offStatus)),
		Int:      int(r.i32(offInt)),
		Ptr:      r.u64(offPtr),
		UTime:    time.Duration(r.u64(offUTime)) * clockTick,
		STime:    time.Duration(r.u64(offSTime)) * clockTick,
		Addr:     r.u64(offAddr),
		AddrLSB:  int(r.u16(offAddrLSB)),
		Syscall:  int(r.i32(offSyscall)),
		CallAddr: r.u64(offCallAddr),
		Arch:     r.u32(offArch),
	}
}

// restore makes of the record of a signal that the handler passed on the one
// that the kernel would have made of the signal itself.
//
// The handler makes si_code negative, so the kernel takes the siginfo for one of
// sigqueue(3), and copies what would then stand in it: pid, uid and value, in
// which the fields that si_code really stands for can be recognised, as they are
// a union in siginfo_t.
func (r *record) restore() {
	code, changed := capture.Code(r.i32(offCode))
	if !changed {
		return
	}
	r.put32(offCode, uint32(code))
	if code < 0 {
		return
	}
	pid, value := r.u32(offPID), r.u32(offInt)
	r.put32(offInt, 0)
	r.put64(offPtr, 0)
	switch {
	case !isReason(Code(code)):
	case syscall.Signal(r.u32(offSigno)) == syscall.SIGCHLD:
		r.put32(offStatus, value)
	default:
		// SIGIO, and whatever signal fcntl(2)'s F_SETSIG asked for: si_band and
		// si_fd. The processors with a handler are little-endian, so the low half of
		// si_band is the first.
		r.put32(offPID, 0)
		r.put32(offUID, 0)
		r.put32(offBand, pid)
		r.put32(offFD, value)
	}
}
