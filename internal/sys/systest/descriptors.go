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

// Descriptors are the open descriptors of the process at one time: for each, the
// record of the guard's that owns it, or nil where none does.
type Descriptors map[int]*origin

// An origin is where a number came into the ownership of a guard. It stays with
// the number when that passes to another guard.
type origin struct {
	ending atomic.Bool // its guard was closed, and it is in use
	pcs    [32]uintptr
	depth  int
}

// maxDescriptor bounds the numbers looked at; new ones are the lowest free.
const maxDescriptor = 4096

// origins are those of the numbers that guards own now. There is no lock, which
// would order goroutines that have nothing to do with each other, and so keep
// the race detector from finding their races.
var origins [maxDescriptor]atomic.Pointer[origin]

func record(e trace.Event, number int) {
	if number >= maxDescriptor {
		return
	}
	switch at := &origins[number]; e {
	case trace.Owned:
		o := new(origin)
		o.depth = runtime.Callers(4, o.pcs[:]) // from the caller of Guard.Init on
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
	// What the runtime keeps for good once it is needed: the poller's descriptors.
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}
})

// OpenDescriptors returns what is open now. From its first call on, it is
// recorded where guards get their numbers from.
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
			look(n) // not that of the directory, which is closed again
		}
	}
	return open
}

// Left describes the descriptors that were opened since before and still are,
// one in a paragraph, with the stack of where a guard got it. It is empty if
// there is none, and gives those that others are about to close a second.
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
