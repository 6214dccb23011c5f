package signalfd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

// With little room in the kernel's queue every signal is either read or counted,
// and the count follows the signals of a SignalFD.
func TestLost(t *testing.T) {
	needCapture(t)
	if os.Getenv("MATRIX_EMU") != "" {
		t.Skip("the emulator has a queue of its own")
	}
	p := start(t, self(t, "lost"))
	out, err := io.ReadAll(p.out)
	require.NoError(t, err)
	require.NoError(t, p.cmd.Wait(), string(out))
	t.Logf("%s", out)
}

// loseSome has the queue of its user almost full, so that a signal may find that
// the place it had was taken when its handler passes it on.
func loseSome() error {
	const sig, other = syscall.Signal(44), syscall.Signal(45)
	limit := unix.Rlimit{Cur: 40, Max: 40}
	if err := unix.Setrlimit(unix.RLIMIT_SIGPENDING, &limit); err != nil {
		return err
	}
	s, err := signalfd.New(signalfd.NewSet(sig))
	if err != nil {
		return err
	}
	d, err := s.Dup()
	if err != nil {
		return err
	}
	if n := s.Lost(); n != 0 {
		return fmt.Errorf("%d lost before", n)
	}
	var read, sent uint64
	infos := make([]signalfd.Info, 64)
	for deadline := time.Now().Add(20 * time.Second); s.Lost() == 0 && time.Now().Before(deadline); {
		const senders, each = 4, 500
		failed := make(chan error, senders)
		for range senders {
			go func() {
				var err error
				for i := 0; i < each && err == nil; i++ {
					err = queue(os.Getpid(), sig, uintptr(i))
				}
				failed <- err
			}()
		}
		for sent += senders * each; read+s.Lost() < sent; {
			n, err := s.ReadBatch(infos)
			if errors.Is(err, fd.ErrWouldBlock) {
				if time.Now().After(deadline) {
					break
				}
				time.Sleep(100 * time.Microsecond)
			} else if err != nil {
				return err
			}
			read += uint64(n)
		}
		for range senders {
			if err := <-failed; err != nil {
				return err
			}
		}
	}
	lost := s.Lost()
	fmt.Printf("sent %d, read %d, lost %d\n", sent, read, lost)
	if read+lost != sent {
		return errors.New("not every signal was read or counted")
	}
	// The count stays: it is that of all duplicates, for the signals of all times.
	if err := d.SetMask(signalfd.NewSet(other)); err != nil {
		return err
	}
	counts := []uint64{d.Lost(), s.Lost()}
	if err := errors.Join(s.Close(), d.Close()); err != nil {
		return err
	}
	counts = append(counts, d.Lost(), s.Lost())
	for _, n := range counts {
		if n != lost || n == 0 {
			return fmt.Errorf("%d lost, then %v", lost, counts)
		}
	}
	if s, err = signalfd.New(signalfd.NewSet(sig)); err != nil {
		return err
	}
	if n := s.Lost(); n != 0 {
		return fmt.Errorf("the next one begins with %d", n)
	}
	return s.Close()
}

// Where the queue has no room at all, a standard signal arrives all the same, and
// is not lost, but nothing may be told of it.
func TestNoQueue(t *testing.T) {
	needCapture(t)
	if os.Getenv("MATRIX_EMU") != "" {
		t.Skip("the emulator has a queue of its own")
	}
	assert.Equal(t, "SIGTERM SI_USER pid 0 uid 0, lost 0\n", output(t, self(t, "noqueue")))
}

func readUnqueued() error {
	if err := unix.Setrlimit(unix.RLIMIT_SIGPENDING, &unix.Rlimit{}); err != nil {
		return err
	}
	s, err := signalfd.New(signalfd.NewSet(unix.SIGTERM))
	if err != nil {
		return err
	}
	// Now and then the keeper takes one itself, from the place that it was sent to.
	told := signalfd.Info{PID: -1}
	for try := 0; told.PID != 0 && try < 1000; try++ {
		if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
			return err
		}
		if told, err = s.ReadContext(context.Background()); err != nil {
			return err
		}
	}
	fmt.Printf("%v, lost %d\n", told, s.Lost())
	return s.Close()
}

// A captured signal that somebody else handles is stolen, until it is captured
// again. Package os/signal remembers what was done by it, so each thief has a
// process of his own.
func TestStolen(t *testing.T) {
	needCapture(t)
	for thief, want := range map[string]string{
		"Ignore":              "{SIGHUP SIGUSR1 SIGCONT SIGTTOU 40}",
		"Notify":              "{SIGCONT SIGTTOU}",
		"Notify after Reset":  "{SIGCONT SIGTTOU}",
		"Notify after Ignore": "{SIGHUP SIGUSR1 SIGCONT SIGTTOU 40}",
		"Stop after Notify":   "{SIGCONT SIGTTOU}",
		"Reset":               "{}",
		"Stop":                "{}",
	} {
		cmd := self(t, "thief")
		cmd.Env = append(cmd.Env, "THIEF="+thief)
		assert.Equal(t, want+"\n", output(t, cmd), thief)
	}
}

func steal() error {
	sigs := []os.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGCONT, unix.SIGTTOU, syscall.Signal(40)}
	notified := make(chan os.Signal, 1)
	notify := func() { signal.Notify(notified, sigs...) }
	before, theft := func() {}, notify
	switch os.Getenv("THIEF") {
	case "Ignore":
		theft = func() { signal.Ignore(sigs...) }
	case "Notify after Reset":
		before = func() { signal.Reset(sigs...) }
	case "Notify after Ignore":
		before = func() { signal.Ignore(sigs...) }
	case "Stop after Notify":
		theft = func() { notify(); signal.Stop(notified) }
	case "Reset":
		theft = func() { signal.Reset(sigs...) }
	case "Stop":
		before = notify
		theft = func() { signal.Stop(notified) }
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
	if stolen := s.Stolen(); !stolen.Empty() {
		return fmt.Errorf("before: %v", stolen)
	}
	theft()
	fmt.Println(s.Stolen())
	for _, mask := range []signalfd.Set{0, set} {
		if err := s.SetMask(mask); err != nil {
			return err
		}
	}
	if stolen := s.Stolen(); !stolen.Empty() {
		return fmt.Errorf("captured again: %v", stolen)
	}
	for _, sig := range set.Signals() {
		if err := unix.Kill(os.Getpid(), sig); err != nil {
			return err
		}
		if info, err := s.ReadContext(context.Background()); err != nil || info.Signal != sig {
			return fmt.Errorf("%v: %v %w", sig, info, err)
		}
	}
	theft()
	if err := s.Close(); err != nil {
		return err
	}
	if stolen := s.Stolen(); !stolen.Empty() {
		return fmt.Errorf("closed: %v", stolen)
	}
	return nil
}
