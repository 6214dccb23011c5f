package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A progress tells on standard error, if that is a terminal, how far it is.
type progress struct {
	terminal bool
	shown    bool
	next     time.Time // when to show it again
}

func newProgress() *progress {
	_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	return &progress{terminal: err == nil, next: time.Now().Add(time.Second)}
}

func (p *progress) show(format string, args ...any) {
	if now := time.Now(); p.terminal && !now.Before(p.next) {
		p.shown, p.next = true, now.Add(time.Second/4)
		fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
	}
}

// clear makes room for what is written next.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}
