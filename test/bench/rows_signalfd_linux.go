package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/signalfd"
)

func signalfdRows() []row {
	return []row{
		{name: "signal from another process", open: signalWays(1), round: longRound, blocked: ourSignals(1)},
		{name: "12 signals from another process", open: signalWays(12), round: longRound, blocked: ourSignals(12)},
	}
}

// Each has signals of its own: what one takes the other would not get.
const theirFirst, ourFirst = unix.Signal(50), unix.Signal(36)

func ourSignals(burst int) (set signalfd.Set) {
	for i := range unix.Signal(burst) {
		set.Add(ourFirst + i)
	}
	return set
}

// signalWays take so many different signals at once: the sender waits for a byte
// that acknowledges each burst. They are real-time signals, of which Go's own
// threads use the first. The same one twice in a burst signal.Notify may give but
// once.
func signalWays(burst int) func(o *opened) ([]way, error) {
	return func(o *opened) ([]way, error) {
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
		taking := func(name string, first unix.Signal, take func() error) way {
			return timed(name, func(n int) error {
				if _, err := fmt.Fprintln(sender.in, int(first), burst, n); err != nil {
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

		var theirs []os.Signal
		for i := range unix.Signal(burst) {
			theirs = append(theirs, theirFirst+i)
		}

		notified := make(chan os.Signal, burst)
		signal.Notify(notified, theirs...)
		o.atEnd(func() error { signal.Stop(notified); return nil })
		ways := []way{taking("signal.Notify", theirFirst, func() error {
			for range burst {
				<-notified
			}
			return nil
		})}

		ours := ourSignals(burst)
		s, err := signalfd.New(ours)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			o.note("iofd is left out: %v", err)
			return ways, nil
		case err != nil:
			return nil, err
		}
		o.atEnd(s.Close)
		infos := make([]signalfd.Info, burst)
		takingBatches := func(name string, read func() (int, error)) way {
			return taking(name, ourFirst, func() error {
				for taken := 0; taken < burst; {
					n, err := read()
					if err != nil {
						return err
					}
					for _, info := range infos[:n] {
						if !ours.Has(info.Signal) {
							return fmt.Errorf("took %v", info)
						}
					}
					taken += n
				}
				return nil
			})
		}
		return append(ways,
			takingBatches("iofd signalfd, ReadBatchContext", func() (int, error) { return s.ReadBatchContext(background, infos) }),
			takingBatches("iofd signalfd, polled", func() (int, error) {
				return fd.WaitRead(background, s.FD(), func() (int, error) { return s.ReadBatch(infos) })
			}),
		), nil
	}
}

// sendSignals is the other process. Its standard input says with which signal a
// burst begins, how many it has and how often to send it, and descriptor 3
// acknowledges each.
func sendSignals() error {
	parent := os.Getppid()
	ack := make([]byte, 1)
	for {
		var first, burst, n int
		_, err := fmt.Fscanln(os.Stdin, &first, &burst, &n)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		for range n {
			for i := range burst {
				if err := unix.Kill(parent, unix.Signal(first+i)); err != nil {
					return err
				}
			}
			if _, err := unix.Read(3, ack); err != nil {
				return err
			}
		}
	}
}
