package pidfd

import (
	"fmt"
	"math"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// SendSignal sends sig to the process, see pidfd_send_signal(2), or to the thread if
// p is from [OpenThread]. Signal 0 sends nothing and returns the same errors.
//
// If the process has been reaped, the error matches os.ErrProcessDone and ESRCH.
// For a process that has ended and has not been reaped, SendSignal has no effect and
// returns nil: [PidFD.Alive] tells the difference.
//
// SendSignal returns EPERM if the caller lacks the permission, see kill(2). It returns
// EINVAL if sig is less than 0 or greater than 64, or if the caller's PID namespace
// does not show the process. If RLIMIT_SIGPENDING of the receiver is reached, a thread
// gets no signal from 32 up: SendSignal returns [fd.ErrWouldBlock]. A process gets the
// signal then, without its sender, and once if it is pending. SendSignal does not
// allocate. Requires Linux 5.1.
func (p *PidFD) SendSignal(sig syscall.Signal) error {
	if !p.Valid() {
		return fd.ErrClosed
	}
	if err := checkSignal(sig); err != nil {
		return err
	}
	return p.doneIfEnded(p.fd.Internal().PidfdSendSignal(sig))
}

// checkSignal rejects numbers that the kernel would truncate to 32 bits, to another
// signal.
func checkSignal(sig syscall.Signal) error {
	if sig < 0 || sig > maxSignal {
		return sys.Invalid("pidfd: signal %d is not between 0 and %d", int(sig), maxSignal)
	}
	return nil
}

// maxSignal is SIGRTMAX, except on MIPS, which has 127 signals.
const maxSignal = 64

// Queue is like [PidFD.SendSignal], but sends a value with the signal, see
// sigqueue(3). The receiver finds the value in si_int of the handler's siginfo_t, or in
// ssi_int of signalfd(2). The code is SI_QUEUE, and the PID and the real user ID are
// the caller's. The PID is of the caller's PID namespace, also if the receiver is in an
// outer one.
//
// The kernel queues signals from 32 up, each with its value. The C library keeps the
// first ones for itself, see signal(7), so programs use 34 and up. The kernel keeps
// only one of the lower signals pending. If one is pending, Queue returns nil and the
// value is lost.
//
// If RLIMIT_SIGPENDING of the receiver is reached, Queue returns [fd.ErrWouldBlock] for
// signals from 32 up, and sends lower ones without the value. Queue returns EINVAL if
// value does not fit a C int of 32 bits.
func (p *PidFD) Queue(sig syscall.Signal, value int) error {
	if !p.Valid() {
		return fd.ErrClosed
	}
	if err := checkSignal(sig); err != nil {
		return err
	}
	if value < math.MinInt32 || value > math.MaxInt32 {
		return sys.Invalid("pidfd: Queue: value %d does not fit a C int of 32 bits", value)
	}
	return p.doneIfEnded(p.fd.Internal().PidfdQueueSignal(sig, int32(value)))
}

// Scope selects the receivers of a signal.
type Scope uint

const (
	// Thread is the thread of the PidFD, or the first thread of the process. The signal
	// is sent as by tgkill(2) (PIDFD_SIGNAL_THREAD).
	Thread Scope = unix.PIDFD_SIGNAL_THREAD

	// ThreadGroup is the whole process, also if the PidFD is of one thread
	// (PIDFD_SIGNAL_THREAD_GROUP).
	ThreadGroup Scope = unix.PIDFD_SIGNAL_THREAD_GROUP

	// ProcessGroup is the process group that the process leads, see setpgid(2)
	// (PIDFD_SIGNAL_PROCESS_GROUP).
	ProcessGroup Scope = unix.PIDFD_SIGNAL_PROCESS_GROUP
)

var scopes = map[Scope]string{
	Thread:       "thread",
	ThreadGroup:  "thread group",
	ProcessGroup: "process group",
}

// String returns "thread", "thread group" or "process group".
func (s Scope) String() string {
	if name, ok := scopes[s]; ok {
		return name
	}
	return fmt.Sprintf("scope %d", uint(s))
}

// SendSignalTo is like [PidFD.SendSignal], but sends the signal to the thread, the
// process or the process group. It returns EINVAL if to is none of these. Before Linux
// 6.9, the error matches errors.ErrUnsupported.
//
// A process group is reached through its leader as long as it has members, also after
// the end of the leader. If the process leads no group, SendSignalTo returns ESRCH,
// which does not match os.ErrProcessDone. The members that the caller may signal get
// the signal. EPERM means that there are none.
func (p *PidFD) SendSignalTo(sig syscall.Signal, to Scope) error {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return err
	}
	defer p.fd.Internal().Decref()
	if err := checkSignal(sig); err != nil {
		return err
	}
	if _, ok := scopes[to]; !ok {
		return sys.Invalid("pidfd: SendSignalTo: invalid scope, %v", to)
	}
	sys.RacePublish()
	errno := unix.PidfdSendSignal(number, sig, nil, int(to))
	err = sys.Error("pidfd_send_signal", errno)
	switch {
	case errno == unix.EINVAL && !scopesKnown():
		return unsupported(err)
	case to == ProcessGroup:
		return err
	}
	return doneIfEnded(number, err)
}

// scopesKnown reports whether the kernel knows scopes. The kernel checks the scope
// before the descriptor.
func scopesKnown() bool {
	return unix.PidfdSendSignal(-1, 0, nil, unix.PIDFD_SIGNAL_THREAD) == unix.EBADF
}
