package signalfd

import (
	"fmt"
	"strconv"
	"syscall"
	"time"
)

// Info is one signal and what the kernel tells of it: signalfd_siginfo of
// signalfd(2), with Go's types. The fields that have no meaning for
// Code and Signal are 0.
type Info struct {
	// Signal is the signal.
	Signal syscall.Signal

	// Errno is the error number that came with the signal. Linux hardly uses it.
	Errno syscall.Errno

	// Code says why the signal was sent.
	Code Code

	// PID and UID are the sender's process and real user, as seen from the reader's
	// namespaces: of SIGCHLD, the child's. The kernel itself sends as 0.
	PID int
	UID int

	// Status is SIGCHLD's: the exit code where Code is [CodeExited], otherwise the
	// number of the signal that ended, stopped or continued the child.
	Status int

	// UTime and STime are the time that the child of SIGCHLD has spent in user code
	// and in the kernel, in steps of 10 ms.
	UTime time.Duration
	STime time.Duration

	// Int and Ptr are the value that sigqueue(3), a POSIX timer or a message queue
	// sent along. They are two views of one union: Int is the low 32 bits of Ptr, and
	// on a big-endian processor the high ones.
	Int int
	Ptr uint64

	// TID is the number of a POSIX timer that has expired inside the kernel, which
	// is not its timer_t, and Overrun how often it did so more than it was read.
	TID     int
	Overrun int

	// FD and Band are SIGIO's: the descriptor, and the events of poll(2) on it.
	FD   int
	Band uint32

	// TrapNo, Addr and AddrLSB are of signals that tell of a fault, Syscall,
	// CallAddr and Arch of SIGSYS. Only what was queued or sent by a process under
	// [Open] ever has them.
	TrapNo   int
	Addr     uint64
	AddrLSB  int
	Syscall  int
	CallAddr uint64
	Arch     uint32
}

// String returns the signal, the reason, the sender and what else there is, for
// a log: "SIGCHLD CLD_EXITED pid 4711 uid 1000 status 3".
func (i Info) String() string {
	s := signalName(i.Signal) + " " + i.Code.name(i.Signal)
	switch {
	case i.Code == CodeTimer:
		s += fmt.Sprintf(" timer %d overrun %d int %d", i.TID, i.Overrun, i.Int)
	case isReason(i.Code) && i.Signal != syscall.SIGCHLD, i.Code == CodeSigIO:
		s += fmt.Sprintf(" fd %d band %#x", i.FD, i.Band)
	default:
		s += fmt.Sprintf(" pid %d uid %d", i.PID, i.UID)
	}
	switch {
	case isReason(i.Code) && i.Signal == syscall.SIGCHLD:
		s += fmt.Sprintf(" status %d", i.Status)
	case i.Code == CodeQueue, i.Code == CodeMessage, i.Code == CodeAsyncIO:
		s += fmt.Sprintf(" int %d", i.Int)
	}
	return s
}

// Code says why a signal was sent: si_code of sigaction(2). The meaning of a
// code from 1 to 127 depends on the signal, see [Info.String]. (On MIPS the kernel has
// other numbers for SI_ASYNCIO, SI_TIMER and SI_MESGQ.)
type Code int32

// The codes of any signal.
const (
	CodeUser    Code = 0    // SI_USER: kill(2)
	CodeKernel  Code = 0x80 // SI_KERNEL: the kernel, a terminal's Ctrl-C for instance
	CodeQueue   Code = -1   // SI_QUEUE: sigqueue(3), with a value
	CodeTimer   Code = -2   // SI_TIMER: a POSIX timer, see timer_create(2)
	CodeMessage Code = -3   // SI_MESGQ: a message in a queue, see mq_notify(3)
	CodeAsyncIO Code = -4   // SI_ASYNCIO: see aio(7)
	CodeSigIO   Code = -5   // SI_SIGIO: SIGIO queued by old kernels
	CodeTkill   Code = -6   // SI_TKILL: tgkill(2), pthread_kill(3) and raise(3)
)

// The codes of SIGCHLD.
const (
	CodeExited    Code = 1 // CLD_EXITED: the child has exited
	CodeKilled    Code = 2 // CLD_KILLED: a signal ended it
	CodeDumped    Code = 3 // CLD_DUMPED: a signal ended it, and it left a core
	CodeTrapped   Code = 4 // CLD_TRAPPED: a traced child has trapped
	CodeStopped   Code = 5 // CLD_STOPPED: a signal stopped it
	CodeContinued Code = 6 // CLD_CONTINUED: SIGCONT continued it
)

// String returns the kernel's name of the code: "SI_USER". If the
// meaning depends on the signal, it returns the number: "code 1". [Info.String] knows the signal.
func (c Code) String() string { return c.name(0) }

var codeNames = map[Code]string{
	CodeUser:    "SI_USER",
	CodeKernel:  "SI_KERNEL",
	CodeQueue:   "SI_QUEUE",
	CodeTimer:   "SI_TIMER",
	CodeMessage: "SI_MESGQ",
	CodeAsyncIO: "SI_ASYNCIO",
	CodeSigIO:   "SI_SIGIO",
	CodeTkill:   "SI_TKILL",
}

var (
	childCodes = [...]string{"CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"}
	pollCodes  = [...]string{"POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP"}
)

// isReason reports whether c is one of the codes that mean something else for
// each signal. For SIGCHLD it says what the child did. For every other signal that New
// reads it says which I/O is possible.
func isReason(c Code) bool { return c >= 1 && int(c) <= len(childCodes) }

func (c Code) name(sig syscall.Signal) string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	switch {
	case isReason(c) && sig == syscall.SIGCHLD:
		return childCodes[c-1]
	case isReason(c) && sig == syscall.SIGIO:
		return pollCodes[c-1]
	}
	return "code " + strconv.Itoa(int(c))
}
