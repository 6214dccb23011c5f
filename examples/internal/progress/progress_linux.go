// Package progress shows on standard error how far a program is, if that is a terminal.
package progress

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const pause = time.Second // before the first line, and between two

// A Line is the last line of the terminal. It is for one goroutine.
type Line struct {
	terminal bool
	shown    bool
	next     time.Time // when to show it again
}

// New returns a Line that shows nothing in the second after now.
func New(now time.Time) Line {
	_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	return Line{terminal: err == nil, next: now.Add(pause)}
}

// Show replaces the line, if the last time was a second or more before now.
func (l *Line) Show(now time.Time, format string, args ...any) {
	if l.terminal && !now.Before(l.next) {
		l.shown, l.next = true, now.Add(pause)
		fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
	}
}

// Note writes a line that stays.
func (l *Line) Note(format string, args ...any) {
	if l.terminal {
		l.Clear()
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// Clear makes room for other text.
func (l *Line) Clear() {
	if l.shown {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		l.shown = false
	}
}
