package pidfd

import (
	"fmt"
	"math"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
)

// SendSignal sends sig to the process, or to the thread that [OpenThread] has
// opened, see pidfd_send_signal(2) (Linux 5.1). Signal 0 sends nothing, but gives
// the same errors.
//
// Once the process has been reaped, errors.Is finds os.ErrProcessDone and ESRCH
// in the error. One that has ended and not been reaped yet takes signals without
// effect and without error: [PidFD.Alive] tells it from one that runs. Without the
// permission that kill(2) asks for it fails with EPERM. A process out of sight
// of the caller's PID namespace, and a sig that is not between 0 and 64, give
// EINVAL. It allocates nothing.
func (p *PidFD) SendSignal(sig syscall.Signal) error {
	if !p.Valid() {
		return fd.ErrClosed
	}
	if err := checkSignal(sig); err != nil {
		return err
	}
	return processError(p.fd.Internal().PidfdSendSignal(sig))
}

// checkSignal refuses what the kernel would cut to 32 bits, and so to another
// signal.
func checkSignal(sig syscall.Signal) error {
	if sig < 0 || sig > maxSignal {
		return sys.Invalid("pidfd: signal %d is not between 0 and %d", int(sig), maxSignal)
	}
	return nil
}

// maxSignal is SIGRTMAX, but on MIPS, which has 127 signals.
const maxSignal = 64

// Queue is [PidFD.SendSignal] with a value for the receiver, as sigqueue(3)
// sends it: a C int, so value must fit 32 bits with its sign, or is refused with
// EINVAL. The receiver finds it in si_int of its handler's siginfo_t, or in
// ssi_int of signalfd(2), along with the code SI_QUEUE and the caller's PID and
// real user ID.
//
// Signals from 34 up queue, each with its value. Of the others no second one is
// kept while one is pending, and its value is lost without an error. Where the
// receiver has as many signals pending as RLIMIT_SIGPENDING lets it, a signal
// from 34 up gives [fd.ErrWouldBlock], and a lower one is sent without its value.
func (p *PidFD) Queue(sig syscall.Signal, value int) error {
	if !p.Valid() {
		return fd.ErrClosed
	}
	if err := checkSignal(sig); err != nil {
		return err
	}
	if value < math.MinInt32 || value > math.MaxInt32 {
		return sys.Invalid("pidfd: value %d does not fit the 32 bits of a C int", value)
	}
	return processError(p.fd.Internal().PidfdQueueSignal(sig, int32(value)))
}

// Scope says whom a signal is for.
type Scope uint

const (
	// Thread is the one thread that the PidFD means: of a process, its first. The
	// signal is as tgkill(2) sends it (PIDFD_SIGNAL_THREAD).
	Thread Scope = unix.PIDFD_SIGNAL_THREAD

	// ThreadGroup is the whole process, also where the PidFD means one of its
	// threads (PIDFD_SIGNAL_THREAD_GROUP).
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

// SendSignalTo is [PidFD.SendSignal] to the thread, the process or the process
// group (Linux 6.9). On an older kernel errors.Is finds errors.ErrUnsupported in
// the error. A scope that is none of these is refused with EINVAL.
//
// A process group is reached only through its leader, and then for as long as it
// has members, whether its leader has ended or not. Where p's process leads
// none, it fails with ESRCH, without os.ErrProcessDone. Of a group the signal
// goes to those whom the caller may send it to; EPERM says that there was none.
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
		return sys.Invalid("pidfd: %v is not one to send signals to", to)
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
	return processError(err)
}

// scopesKnown reports whether the kernel knows scopes: it looks at them before
// it looks at the descriptor.
func scopesKnown() bool {
	return unix.PidfdSendSignal(-1, 0, nil, unix.PIDFD_SIGNAL_THREAD) == unix.EBADF
}
