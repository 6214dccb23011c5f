package pidfd

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// Usage is what a running process uses. The times are multiples of 10 ms.
type Usage struct {
	UserTime   time.Duration // CPU time in user mode, of all threads
	SystemTime time.Duration // CPU time in the kernel, of all threads

	// RSS is the memory that is resident now, in bytes. PeakRSS is the most since the
	// process executed its program. Both are 0 for a kernel thread. The kernel may be off
	// by some pages for each processor.
	RSS, PeakRSS int64
}

// Usage returns the CPU time and the memory of a running process, from
// /proc/PID/stat and /proc/PID/status, see proc(5). Children of the process do not
// count. If p is from [OpenThread], the times are those of the thread.
//
// The process may be any process that /proc shows, and Usage needs no permission. There
// is one exception: if /proc is mounted with hidepid=1, Usage returns EPERM for a process
// that the caller may not trace. The result is never that of another process that has
// got the PID: Usage checks afterwards that the process has not ended.
//
// If the process has ended, reaped or not, the error matches os.ErrProcessDone and
// ESRCH. If /proc does not show the process or cannot be trusted, the error matches
// errors.ErrUnsupported. Usage returns [fd.ErrClosed] if p is closed.
func (p *PidFD) Usage() (Usage, error) {
	number, err := p.fd.Internal().Incref()
	if err != nil {
		return Usage{}, err
	}
	defer p.fd.Internal().Decref()
	usage, err := procUsage(number)
	// A PID is not reused before the process has ended.
	revents, pollErr := sys.Poll(number, unix.POLLIN)
	switch {
	case pollErr != nil:
		return Usage{}, pollErr
	case revents != 0:
		return Usage{}, done(sys.Misuse(unix.ESRCH, "pidfd: Usage: the process has ended"))
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ESRCH):
		return Usage{}, sys.Misuse(unix.ENOTSUP, "pidfd: Usage: /proc does not show the process")
	case err != nil:
		return Usage{}, err
	}
	return usage, nil
}

// procUsage reads the usage of the process that has the pidfd's PID.
func procUsage(number int) (usage Usage, err error) {
	pids, err := fdinfoPIDs(number) // of /proc's namespace, as the paths are
	if err != nil {
		return Usage{}, err
	}
	if pids[0] <= 0 {
		return Usage{}, unix.ENOENT
	}
	thread, err := isThread(number)
	if err != nil {
		return Usage{}, err
	}
	dir := strconv.Itoa(pids[0])
	if thread {
		dir += "/task/" + dir
	}
	stat, err := sys.ReadProc(dir + "/stat")
	if err != nil {
		return Usage{}, err
	}
	if usage, err = parseTimes(stat); err != nil {
		return Usage{}, err
	}
	usage.RSS, usage.PeakRSS, err = procMemory(dir)
	return usage, err
}

// procMemory reads the memory of a process. A thread that has exited has none, which
// may be the first thread of a running process. So procMemory asks the threads in turn.
func procMemory(dir string) (rss, peak int64, err error) {
	status, err := sys.ReadProc(dir + "/status")
	if err != nil {
		return 0, 0, err
	}
	threads, err := sys.ListProc(dir + "/task")
	if errors.Is(err, unix.ENOENT) { // dir is a thread
		err = nil
	}
	for _, thread := range threads {
		if _, ok := parseMemory(status, "VmRSS"); ok {
			break
		}
		if text, err := sys.ReadProc(dir + "/task/" + thread + "/status"); err == nil {
			status = text
		}
	}
	rss, _ = parseMemory(status, "VmRSS")
	peak, _ = parseMemory(status, "VmHWM")
	return rss, peak, err
}

// parseMemory returns a field of /proc/PID/status in bytes.
func parseMemory(status []byte, field string) (int64, bool) {
	value, _ := sys.ProcField(status, field)
	value, found := strings.CutSuffix(value, " kB")
	kilobytes, err := strconv.ParseInt(value, 10, 64)
	return kilobytes * 1024, found && err == nil && kilobytes >= 0 && kilobytes <= math.MaxInt64/1024
}

// parseTimes returns the times in /proc/PID/stat.
func parseTimes(stat []byte) (Usage, error) {
	const (
		tick           = 10 * time.Millisecond // USER_HZ is 100 on every port of Go
		utime, stime   = 11, 12                // counted after the name
		mostTicks      = int64(math.MaxInt64 / tick)
		nameEnd        = ") " // the name may contain any byte
		missing, wrong = "pidfd: Usage: /proc/PID/stat has no times", "pidfd: Usage: invalid time in /proc/PID/stat, %q"
	)
	name := bytes.LastIndex(stat, []byte(nameEnd))
	if name < 0 {
		return Usage{}, sys.Misuse(unix.EPROTO, missing)
	}
	fields := strings.Fields(string(stat[name+len(nameEnd):]))
	if len(fields) <= stime {
		return Usage{}, sys.Misuse(unix.EPROTO, missing)
	}
	var times [2]time.Duration
	for i, field := range fields[utime : stime+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil || ticks < 0 || ticks > mostTicks {
			return Usage{}, sys.Misuse(unix.EPROTO, wrong, field)
		}
		times[i] = time.Duration(ticks) * tick
	}
	return Usage{UserTime: times[0], SystemTime: times[1]}, nil
}
