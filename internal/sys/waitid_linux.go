package sys

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ended is the report of waitid(2) on a child process that has ended.
type Ended struct {
	PID    int
	Status unix.WaitStatus
	Rusage unix.Rusage
}

// WaitPidfd is [Waitid] with P_PIDFD for the child whose pidfd d owns. Requires Linux
// 5.4.
func (d *Descriptor) WaitPidfd(options int) (Ended, error) {
	number, err := d.Incref()
	if err != nil {
		return Ended{}, err
	}
	defer d.Decref()
	return Waitid(unix.P_PIDFD, number, options)
}

// Waitid is waitid(2) for the end of a child. It does not block: it returns
// ErrWouldBlock if no child has ended. It reaps the child unless options has WNOWAIT.
//
// A tracer is also told of ptrace(2) stops, which are no ends. A call that may reap
// would take such a stop from the tracer, so Waitid always asks with WNOWAIT first.
func Waitid(idType, id, options int) (Ended, error) {
	ended, err := lookAtChild(idType, id)
	if err == errStopped {
		return Ended{}, ErrWouldBlock
	}
	if err != nil || options&unix.WNOWAIT != 0 {
		return ended, err
	}
	err = waitid(idType, id, nil, options, nil)
	if err == unix.ECHILD {
		err = nil // another call has reaped it in between
	}
	return ended, Error("waitid", err)
}

// errStopped says that the child, or the first of several, has a ptrace(2) stop to
// report.
var errStopped = errors.New("stopped, not ended")

// lookAtChild is Waitid with WNOWAIT. It returns errStopped for a stop.
func lookAtChild(idType, id int) (Ended, error) {
	var child siginfoChild
	var rusage unix.Rusage
	info := (*unix.Siginfo)(unsafe.Pointer(&child))
	err := waitid(idType, id, info, unix.WNOWAIT, &rusage)
	switch {
	case err != nil:
		return Ended{}, Error("waitid", err)
	case child.pid == 0:
		return Ended{}, ErrWouldBlock
	case info.Code >= cldTrapped:
		return Ended{}, errStopped
	}
	return Ended{int(child.pid), waitStatus(info.Code, child.status), rusage}, nil
}

// waitid asks for ends. With __WALL it finds children that have another exit signal
// than SIGCHLD, or none, see clone(2).
func waitid(idType, id int, info *unix.Siginfo, options int, rusage *unix.Rusage) error {
	for {
		err := unix.Waitid(idType, id, info, unix.WEXITED|unix.WNOHANG|unix.WALL|options, rusage)
		if err != unix.EINTR {
			return err
		}
	}
}

// EndedChild returns a child that has ended, and does not reap it. It returns
// ErrWouldBlock if no child has ended.
//
// waitid(2) reports the oldest child first. It also reports to a tracer the ends of
// threads and processes that are not its children: isChild distinguishes them. If the
// first report is not the end of a child, EndedChild looks at each child in the lists of
// /proc (CONFIG_PROC_CHILDREN). It returns ErrWouldBlock if /proc has no lists.
func EndedChild(isChild func(pid int) bool) (Ended, error) {
	ended, err := lookAtChild(unix.P_ALL, 0)
	if err != errStopped && (err != nil || isChild(ended.PID)) {
		return ended, err
	}
	var before []string
	for {
		children, err := listChildren()
		if err != nil {
			return Ended{}, ErrWouldBlock
		}
		for _, child := range children {
			// A wrong number does no harm, because waitid(2) looks at children only.
			pid, _ := strconv.Atoi(child)
			if ended, err := lookAtChild(unix.P_PID, pid); err == nil {
				return ended, nil
			}
		}
		// The kernel may skip a child if another one is reaped meanwhile. Then the next
		// list differs.
		if slices.Equal(children, before) {
			return Ended{}, ErrWouldBlock
		}
		before = children
	}
}

// listChildren returns the PIDs of the children of all threads, in the PID namespace of
// the caller.
func listChildren() ([]string, error) {
	own, err := namespacePIDs("self")
	if err != nil {
		return nil, err
	}
	threads, err := ListProc("self/task")
	if err != nil {
		return nil, err
	}
	var children []string
	for _, thread := range threads {
		list, err := ReadProc("self/task/" + thread + "/children")
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH) { // the thread has ended
			return nil, err
		}
		for child := range strings.FieldsSeq(string(list)) {
			if len(own) > 1 { // the PIDs of /proc are of an outer namespace
				pids, err := namespacePIDs(child)
				if err != nil || len(pids) < len(own) {
					continue
				}
				child = pids[len(own)-1]
			}
			children = append(children, child)
		}
	}
	return children, nil
}

// siginfoChild is the kernel's siginfo as SIGCHLD and waitid(2) fill it. Its union is
// aligned for a pointer: it begins at byte 12 on 32-bit ports, and at byte 16 on 64-bit
// ports. The order of the leading fields, which unix.Siginfo declares, differs on MIPS.
type siginfoChild struct {
	_      [3]int32 // si_signo, si_errno, si_code
	_      [0]uintptr
	pid    int32
	uid    uint32
	status int32
	_      [siginfoSize - siginfoUnion - 12]byte
}

const (
	siginfoSize  = 128
	siginfoUnion = 12 + 4*(^uint(0)>>63)
)

var (
	_ [siginfoSize]byte  = [unsafe.Sizeof(siginfoChild{})]byte{}
	_ [siginfoSize]byte  = [unsafe.Sizeof(unix.Siginfo{})]byte{}
	_ [siginfoUnion]byte = [unsafe.Offsetof(siginfoChild{}.pid)]byte{}
)

// The values of si_code. The codes from cldTrapped on report stops.
const (
	cldExited  = 1 // si_status is the exit code, else the signal
	cldDumped  = 3
	cldTrapped = 4
)

// waitStatus converts si_code and si_status to the status word of wait4(2).
func waitStatus(code, status int32) unix.WaitStatus {
	const core = 0x80
	switch code {
	case cldExited:
		return unix.WaitStatus(status) << 8
	case cldDumped:
		return unix.WaitStatus(status) | core
	}
	return unix.WaitStatus(status)
}
