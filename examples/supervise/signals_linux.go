package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
	"code.hybscloud.com/iofd/signalfd"
)

// endings are the signals that ask a command to end.
var endings = signalfd.NewSet(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)

// forwarded returns the signals that the command is sent when we are. A person or an init
// sends these. The C library may have 34.
func forwarded() signalfd.Set {
	set := endings
	set.Add(unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGVTALRM, unix.SIGIO, unix.SIGPWR,
		unix.SIGWINCH, unix.SIGCONT)
	for sig := syscall.Signal(sigRTMin + 1); sig <= sigRTMax; sig++ {
		set.Add(sig)
	}
	// Signals that were ignored at the start, by nohup(1) or a shell's background job, stay
	// ignored, also in commands. The Go runtime tells of HUP and INT, and a shell ignores
	// QUIT with INT. The runtime does not touch TSTP, TTIN and TTOU, and has a handler for
	// each other signal, so that commands begin with the default action.
	if signal.Ignored(unix.SIGHUP) {
		set.Del(unix.SIGHUP)
	}
	if signal.Ignored(unix.SIGINT) {
		signal.Ignore(unix.SIGQUIT)
		set.Del(unix.SIGINT, unix.SIGQUIT)
	}
	return set
}

// outliveFaults has the signals of faults ignored if another process sends them. The kernel
// does so for a PID 1 without handlers, and the Go runtime has handlers, which end it.
func outliveFaults() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS,
		unix.SIGFPE, unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGSYS)
}

// hadFromTerminal reports whether the terminal has sent the signal to our process group,
// and so to the command unless it has left the group. When a terminal goes away, HUP and
// CONT are for the session leader alone, and for the whole group after the leader's end.
func hadFromTerminal(info signalfd.Info, command int) bool {
	switch info.Signal {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH:
	case unix.SIGHUP, unix.SIGCONT:
		if session, err := unix.Getsid(0); err != nil || session == os.Getpid() {
			return false
		}
	default:
		return false
	}
	group, err := unix.Getpgid(command)
	return info.Code == signalfd.CodeKernel && err == nil && group == unix.Getpgrp()
}

// reapOrphans reaps the children that have ended. It stops at the command, whose status
// is for the supervisor.
func reapOrphans(command int) {
	for {
		orphan, err := pidfd.OpenEnded()
		if err != nil {
			return
		}
		if orphan.PID() != command {
			_, err = orphan.Wait()
		}
		_ = orphan.Close()
		if err != nil || orphan.PID() == command {
			return
		}
	}
}
