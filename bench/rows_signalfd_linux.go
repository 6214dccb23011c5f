package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/signalfd"
)

func signalfdRows() []row {
	return []row{{name: "signal from another process", open: signalWays, round: longRound}}
}

// signalWays take signals one by one: the sender waits for a byte that
// acknowledges each.
func signalWays(o *opened) ([]way, error) {
	acksIn, acksOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.atEnd(acksIn.Close)
	o.atEnd(acksOut.Close)
	sender, err := startChild(o, "signals", nil, acksIn)
	if err != nil {
		return nil, err
	}
	ack := make([]byte, 1)
	taking := func(name string, sig unix.Signal, take func() error) way {
		return timed(name, func(n int) error {
			if _, err := fmt.Fprintln(sender.in, int(sig), n); err != nil {
				return err
			}
			return times(func() error {
				if err := take(); err != nil {
					return err
				}
				_, err := acksOut.Write(ack)
				return err
			})(n)
		})
	}

	// Each has a signal of its own: what one takes the other would not get.
	const theirSignal, ourSignal = unix.SIGUSR2, unix.SIGUSR1
	notified := make(chan os.Signal, 1)
	signal.Notify(notified, theirSignal)
	o.atEnd(func() error { signal.Stop(notified); return nil })
	ways := []way{taking("signal.Notify", theirSignal, func() error { <-notified; return nil })}

	s, err := signalfd.New(signalfd.NewSet(ourSignal))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		o.note("iofd is left out: %v", err)
		return ways, nil
	case err != nil:
		return nil, err
	}
	o.atEnd(s.Close)
	return append(ways, taking("iofd signalfd", ourSignal, func() error {
		info, err := s.ReadContext(context.Background())
		if err == nil && info.Signal != ourSignal {
			err = fmt.Errorf("took %v", info)
		}
		return err
	})), nil
}

// sendSignals is the other process. Its standard input says which signal to send
// how often, and descriptor 3 acknowledges each.
func sendSignals() error {
	parent := os.Getppid()
	ack := make([]byte, 1)
	for {
		var sig, n int
		_, err := fmt.Fscanln(os.Stdin, &sig, &n)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		for range n {
			if err := unix.Kill(parent, unix.Signal(sig)); err != nil {
				return err
			}
			if _, err := unix.Read(3, ack); err != nil {
				return err
			}
		}
	}
}
