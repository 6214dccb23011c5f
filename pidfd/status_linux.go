package pidfd

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// ExitStatus is how a process has ended and what it has used.
type ExitStatus struct {
	PID        int            // the ID it had
	Code       int            // the exit code, 0 to 255, or -1 if a signal ended it
	Signal     syscall.Signal // the signal that ended it, or 0 if it exited
	CoreDumped bool           // a core dump was written, see core(5)

	// Rusage is the use of the process and of those children of its that it has
	// waited for, see getrusage(2).
	Rusage unix.Rusage
}

func exitStatus(ended sys.Ended) *ExitStatus {
	s := &ExitStatus{PID: ended.PID, Code: ended.Status.ExitStatus(), Rusage: ended.Rusage}
	if ended.Status.Signaled() {
		s.Signal = ended.Status.Signal()
		s.CoreDumped = ended.Status.CoreDump()
	}
	return s
}

// Exited reports whether the process ended by itself, with an exit code.
func (s *ExitStatus) Exited() bool { return s.Signal == 0 }

// Signaled reports whether a signal ended the process.
func (s *ExitStatus) Signaled() bool { return s.Signal != 0 }

// Success reports whether the process exited with code 0.
func (s *ExitStatus) Success() bool { return s.Exited() && s.Code == 0 }

// UserTime returns the processor time spent in the program.
func (s *ExitStatus) UserTime() time.Duration { return time.Duration(s.Rusage.Utime.Nano()) }

// SystemTime returns the processor time spent in the kernel.
func (s *ExitStatus) SystemTime() time.Duration { return time.Duration(s.Rusage.Stime.Nano()) }

// MaxRSS returns the most memory that was resident at a time, in bytes, of the
// process or of the largest of the children that it has waited for. The kernel
// counts in units of 1024.
func (s *ExitStatus) MaxRSS() int64 { return int64(s.Rusage.Maxrss) * 1024 }

// String returns "exit status 3", "signal: killed" or
// "signal: segmentation fault (core dumped)", as os.ProcessState does.
func (s *ExitStatus) String() string {
	switch {
	case s.Exited():
		return fmt.Sprintf("exit status %d", s.Code)
	case s.CoreDumped:
		return fmt.Sprintf("signal: %v (core dumped)", s.Signal)
	}
	return fmt.Sprintf("signal: %v", s.Signal)
}
