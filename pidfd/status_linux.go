package pidfd

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// ExitStatus says how a process has ended and which resources it has used.
type ExitStatus struct {
	PID        int            // the ID that the process had, see PidFD.PID
	Code       int            // the exit code, 0 to 255, or -1 if a signal ended it
	Signal     syscall.Signal // the signal that ended it, or 0 if it exited
	CoreDumped bool           // a core dump was written, see core(5)

	// Rusage is the resource usage of the process and of the children that it has waited
	// for, see getrusage(2). It is zero if it is not known.
	Rusage unix.Rusage

	exactRSS bool // see MaxRSSExact
}

func exitStatus(ended sys.Ended) *ExitStatus {
	s := &ExitStatus{PID: ended.PID, Code: ended.Status.ExitStatus(), Rusage: ended.Rusage}
	if ended.Status.Signaled() {
		s.Signal = ended.Status.Signal()
		s.CoreDumped = ended.Status.CoreDump()
	}
	return s
}

// Exited reports whether the process exited with an exit code.
func (s *ExitStatus) Exited() bool { return s.Signal == 0 }

// Signaled reports whether a signal ended the process.
func (s *ExitStatus) Signaled() bool { return s.Signal != 0 }

// Success reports whether the process exited with code 0.
func (s *ExitStatus) Success() bool { return s.Exited() && s.Code == 0 }

// UserTime returns the CPU time spent in user mode. It is 0 if Rusage is not known.
func (s *ExitStatus) UserTime() time.Duration { return time.Duration(s.Rusage.Utime.Nano()) }

// SystemTime returns the CPU time spent in the kernel. It is 0 if Rusage is not known.
func (s *ExitStatus) SystemTime() time.Duration { return time.Duration(s.Rusage.Stime.Nano()) }

// MaxRSS returns an upper limit of the peak resident memory, in bytes. It is the peak of
// the process or of the largest child that the process has waited for.
// [ExitStatus.MaxRSSExact] reports whether the limit is the peak itself. MaxRSS returns
// 0 if Rusage is not known.
//
// A new process runs in the memory of its parent until execve(2). The kernel counts the
// peak of that memory as the new process's own. So /bin/true has a MaxRSS of 500 MiB if
// its parent has used 500 MiB. To measure a running process, use [PidFD.Usage].
func (s *ExitStatus) MaxRSS() int64 { return int64(s.Rusage.Maxrss) * 1024 }

// MaxRSSExact reports whether [ExitStatus.MaxRSS] is the peak of the process, or of its
// largest child, and not that of its parent: it is clearly larger than the peak of the
// calling process when [Start] returned. If the calling process took over a larger peak
// from its own parent, its peak when Wait finds the status counts. The kernel does not tell
// the process from its children. MaxRSSExact always returns false if the PidFD is not from
// Start, because the peak of the parent at that time is not known.
func (s *ExitStatus) MaxRSSExact() bool { return s.exactRSS }

// isOwnPeak reports whether rss, the peak of a child, cannot be its parent's peak. The
// parent's peak is 0 if it is not known.
//
// The kernel counts pages in batches: each processor may hold back that many pages of
// each of the three kinds, which are file, anonymous and shared.
func isOwnPeak(rss, parent int64) bool {
	processors := int64(runtime.NumCPU())
	batch := max(32, 2*processors)
	return parent > 0 && rss > parent+3*batch*processors*int64(os.Getpagesize())
}

// ownPeak returns the peak resident memory of this process, or 0 if it is not known.
// The peak of the program is smaller than selfPeak if the parent of this process had a
// larger one before execve(2).
func ownPeak() int64 {
	if text, err := sys.ReadProc("thread-self/status"); err == nil {
		if peak, ok := parseMemory(text, "VmHWM"); ok {
			return peak
		}
	}
	return selfPeak()
}

// selfPeak returns an upper limit of the peak that a new child takes over, in one system
// call, or 0.
func selfPeak() int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return int64(usage.Maxrss) * 1024
}

// seenPeak is the largest result of ownPeak so far. The peak does not fall.
var seenPeak atomic.Int64

// isExact reports whether rss is the peak of a child and not that of this process, whose
// selfPeak was limit when the child began. A child with at most seenPeak is not, which is
// most of them. In between, only ownPeak tells, and it costs eight system calls. It may have
// grown since.
func isExact(rss, limit int64) bool {
	switch {
	case limit == 0:
		return false
	case isOwnPeak(rss, limit):
		return true
	case seenPeak.Load() > 0 && !isOwnPeak(rss, seenPeak.Load()):
		return false
	}
	peak := ownPeak()
	for seen := seenPeak.Load(); peak > seen && !seenPeak.CompareAndSwap(seen, peak); {
		seen = seenPeak.Load()
	}
	return isOwnPeak(rss, peak)
}

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
