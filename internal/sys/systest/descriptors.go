//go:build linux || darwin || freebsd

package systest

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/trace"
)

// Descriptors are the open descriptors of the process at one time. Each has the origin
// of its number, or nil if no sys.Descriptor owns it.
type Descriptors map[int]*origin

// An origin is the stack of the call that gave a number to a sys.Descriptor. It stays
// with the number when Take moves that to another one.
type origin struct {
	ending atomic.Bool // the owner was closed, and the number is in use
	pcs    [32]uintptr
	depth  int
}

// maxDescriptor bounds the numbers that are checked. The kernel gives the lowest free.
const maxDescriptor = 4096

// origins are those of the numbers that have an owner now. There is no lock, because
// it would order unrelated goroutines and hide their races from the race detector.
var origins [maxDescriptor]atomic.Pointer[origin]

func record(e trace.Event, number int) {
	if number >= maxDescriptor {
		return
	}
	switch at := &origins[number]; e {
	case trace.Owned:
		o := new(origin)
		o.depth = runtime.Callers(4, o.pcs[:]) // from the caller of Descriptor.Init on
		at.Store(o)
	case trace.Ending:
		if o := at.Load(); o != nil {
			o.ending.Store(true)
		}
	case trace.Gone:
		at.Store(nil)
	}
}

var startRecording = sync.OnceFunc(func() {
	trace.Listen(record)
	// The runtime opens the poller's descriptors at the first use, and keeps them.
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}
})

// OpenDescriptors returns the descriptors that are open now. From its first call on,
// origins are recorded.
func OpenDescriptors() Descriptors {
	startRecording()
	open := make(Descriptors)
	look := func(n int) {
		if _, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil {
			open[n] = origins[n].Load()
		}
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		for n := range maxDescriptor {
			look(n)
		}
		return open
	}
	for _, entry := range entries {
		if n, err := strconv.Atoi(entry.Name()); err == nil && n < maxDescriptor {
			look(n) // not open if it was that of the directory
		}
	}
	return open
}

// Left describes the descriptors that were opened since before and are still open, each
// with the stack of its origin. It is empty if there is none. It waits up to one second
// for other goroutines to close descriptors.
func (before Descriptors) Left() string {
	var left []string
	for range 100 {
		left = nil
		now := OpenDescriptors()
		for _, n := range slices.Sorted(maps.Keys(now)) {
			was, wasOpen := before[n]
			if origin := now[n]; !wasOpen || origin != nil && origin != was {
				left = append(left, describe(n, origin))
			}
		}
		if left == nil {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	return strings.Join(left, "\n")
}

func describe(number int, o *origin) string {
	name := fmt.Sprintf("descriptor %d", number)
	if object, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", number)); err == nil {
		name += " " + object
	}
	if o == nil {
		return name + ", which no FD owns"
	}
	if o.ending.Load() {
		name += ", closed but still pinned or in use"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, whose FD was made in", name)
	frames := runtime.CallersFrames(o.pcs[:o.depth])
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		fmt.Fprintf(&text, "\n\t%s\n\t\t%s:%d", frame.Function, frame.File, frame.Line)
	}
	return text.String()
}
