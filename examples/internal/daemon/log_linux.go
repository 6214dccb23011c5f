// Package daemon holds the parts that the servers among the examples share.
package daemon

import (
	"fmt"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// OutliveLog makes writes to a pipe without a reader fail with EPIPE. Otherwise SIGPIPE
// ends the process if it is the pipe of standard output or error. Programs that the
// process starts have the default action.
func OutliveLog() { signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE) }

const (
	mostLines = 1000
	lastWait  = 1000 // milliseconds
)

// A Log writes lines to a file. Its methods may be called from any goroutine.
type Log struct {
	file  *os.File
	mu    sync.Mutex
	lines [][]byte
	idle  chan struct{} // closed when all lines are written, nil if they are
}

// NewLog returns a Log that writes to file.
func NewLog(file *os.File) *Log { return &Log{file: file} }

// Printf adds a line. It does not wait, because the write blocks if the reader of a pipe
// has stopped. Lines are lost if 1000 wait, or if the write fails.
func (l *Log) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == mostLines {
		return
	}
	l.lines = append(l.lines, append(fmt.Appendf(nil, format, args...), '\n'))
	if l.idle == nil {
		l.idle = make(chan struct{})
		go l.write()
	}
}

func (l *Log) write() {
	for {
		l.mu.Lock()
		if len(l.lines) == 0 {
			close(l.idle)
			l.idle = nil
			l.mu.Unlock()
			return
		}
		line := l.lines[0]
		l.lines = l.lines[1:]
		l.mu.Unlock()
		_, _ = l.file.Write(line)
	}
}

// Flush waits until all lines are written, for at most one second.
func (l *Log) Flush() {
	l.mu.Lock()
	idle := l.idle
	l.mu.Unlock()
	// A timer would need a descriptor for the poller of the Go runtime.
	for range lastWait {
		select {
		case <-idle:
			return
		default:
			if idle == nil {
				return
			}
			_, _ = unix.Poll(nil, 1)
		}
	}
}
