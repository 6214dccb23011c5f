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

const pause = time.Second // before it is shown, and between

func newProgress(now time.Time) progress {
	_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	return progress{terminal: err == nil, next: now.Add(pause)}
}

func (p *progress) note(format string, args ...any) {
	if p.terminal {
		fmt.Fprintf(os.Stderr, "ticker: "+format+"\n", args...)
	}
}

func (p *progress) show(now time.Time, ticks, missed, count uint64) {
	if !p.terminal || now.Before(p.next) {
		return
	}
	p.shown, p.next = true, now.Add(pause)
	of := ""
	if count != endless {
		of = fmt.Sprintf(" of %d", count)
	}
	fmt.Fprintf(os.Stderr, "\r%d%s ticks, %d missed", ticks+missed, of, missed)
}

// clear makes room for what is written next.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		p.shown = false
	}
}
