package signalfd_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/signalfd"
)

// A standard signal arrives although RLIMIT_SIGPENDING leaves no room in the queue of
// the kernel, and its sender is known.
func TestNoPendingAllowed(t *testing.T) {
	needCapture(t)
	systest.NotEmulated(t, "the emulator has a queue of its own")
	p := start(t, self(t, "noqueue"))
	require.Equal(t, "ready", p.line())
	for range 100 {
		require.NoError(t, unix.Kill(p.pid(), unix.SIGTERM))
		assert.Equal(t, fmt.Sprintf("SIGTERM SI_USER pid %d uid %d", os.Getpid(), os.Getuid()), p.line())
	}
	require.NoError(t, p.in.Close())
	require.NoError(t, p.cmd.Wait())
}

func readUnqueued() error {
	if err := unix.Setrlimit(unix.RLIMIT_SIGPENDING, &unix.Rlimit{}); err != nil {
		return err
	}
	s, err := signalfd.New(signalfd.NewSet(unix.SIGTERM))
	if err != nil {
		return err
	}
	return printSignals(s)
}

// Replaced has the captured signals that other code handles, until they are captured
// again. Package os/signal keeps state, so each case has a process of its own.
func TestReplaced(t *testing.T) {
	needCapture(t)
	for how, want := range map[string]string{
		"Ignore":              "{SIGHUP SIGUSR1 SIGCONT SIGTTOU 40}",
		"Notify":              "{SIGCONT SIGTTOU}",
		"Notify after Reset":  "{SIGCONT SIGTTOU}",
		"Notify after Ignore": "{SIGHUP SIGUSR1 SIGCONT SIGTTOU 40}",
		"Stop after Notify":   "{SIGCONT SIGTTOU}",
		"Reset":               "{}",
		"Stop":                "{}",
	} {
		cmd := self(t, "replacer")
		cmd.Env = append(cmd.Env, "REPLACE="+how)
		assert.Equal(t, want+"\n", output(t, cmd), how)
	}
}

func replaceHandlers() error {
	sigs := []os.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGCONT, unix.SIGTTOU, syscall.Signal(40)}
	notified := make(chan os.Signal, 1)
	notify := func() { signal.Notify(notified, sigs...) }
	before, replacement := func() {}, notify
	switch os.Getenv("REPLACE") {
	case "Ignore":
		replacement = func() { signal.Ignore(sigs...) }
	case "Notify after Reset":
		before = func() { signal.Reset(sigs...) }
	case "Notify after Ignore":
		before = func() { signal.Ignore(sigs...) }
	case "Stop after Notify":
		replacement = func() { notify(); signal.Stop(notified) }
	case "Reset":
		replacement = func() { signal.Reset(sigs...) }
	case "Stop":
		before = notify
		replacement = func() { signal.Stop(notified) }
	}
	before()
	var set signalfd.Set
	for _, sig := range sigs {
		set.Add(sig.(syscall.Signal))
	}
	s, err := signalfd.New(set)
	if err != nil {
		return err
	}
	if replaced := s.Replaced(); !replaced.Empty() {
		return fmt.Errorf("before: %v", replaced)
	}
	replacement()
	fmt.Println(s.Replaced())
	for _, mask := range []signalfd.Set{0, set} {
		if err := s.SetMask(mask); err != nil {
			return err
		}
	}
	if replaced := s.Replaced(); !replaced.Empty() {
		return fmt.Errorf("captured again: %v", replaced)
	}
	for _, sig := range set.Signals() {
		if err := unix.Kill(os.Getpid(), sig); err != nil {
			return err
		}
		if info, err := s.ReadContext(context.Background()); err != nil || info.Signal != sig {
			return fmt.Errorf("%v: %v %w", sig, info, err)
		}
	}
	replacement()
	if err := s.Close(); err != nil {
		return err
	}
	if replaced := s.Replaced(); !replaced.Empty() {
		return fmt.Errorf("closed: %v", replaced)
	}
	return nil
}
