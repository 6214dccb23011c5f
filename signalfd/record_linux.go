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

// The offsets of the fields of a record.
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

// The offsets of the fields of a siginfo_t on 64-bit processors. A union begins at 16.
const (
	infoPID     = 16
	infoTimer   = 16
	infoBand    = 16
	infoUID     = 20
	infoOverrun = 20
	infoValue   = 24
	infoStatus  = 24
	infoFD      = 24
	infoUTime   = 32
	infoSTime   = 40
)

// fill makes of a siginfo what the kernel writes to a signalfd. The member of the
// union depends on the code, as in siginfo_layout of the kernel. The members for
// faults and SIGSYS are missing, because these signals are not captured.
func (r *record) fill(info *capture.Siginfo) {
	word := func(to, from int) { copy(r[to:to+4], info[from:]) }
	long := func(to, from int) { copy(r[to:to+8], info[from:]) }
	*r = record{}
	copy(r[:offPID], info[:])
	switch code := Code(r.i32(offCode)); {
	case isReason(code) && syscall.Signal(r.u32(offSigno)) == syscall.SIGCHLD:
		word(offPID, infoPID)
		word(offUID, infoUID)
		word(offStatus, infoStatus)
		long(offUTime, infoUTime)
		long(offSTime, infoSTime)
	case isReason(code), code == CodeSigIO:
		word(offBand, infoBand) // the low half: the processor is little-endian
		word(offFD, infoFD)
	case code == CodeTimer:
		word(offTID, infoTimer)
		word(offOverrun, infoOverrun)
		word(offInt, infoValue)
		long(offPtr, infoValue)
	default:
		word(offPID, infoPID)
		word(offUID, infoUID)
		if code < 0 {
			word(offInt, infoValue)
			long(offPtr, infoValue)
		}
	}
}
