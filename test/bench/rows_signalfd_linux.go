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
	"code.hybscloud.com/iofd/test/internal/try"
)

// signal.Notify and the library have signals of their own, because each signal goes to
// one of them.
const theirFirst, ourFirst = unix.Signal(50), unix.Signal(36)

func ourSignals(burst int) (set signalfd.Set) {
	for i := range unix.Signal(burst) {
		set.Add(ourFirst + i)
	}
	return set
}

// signalWays take so many different signals at once: the sender waits for a byte
// that acknowledges each burst. They are real-time signals, of which Go's own
// threads use the first. signal.Notify may give a signal once that came twice.
func signalWays(burst int) func(o *opened) []way {
	return func(o *opened) []way {
		acksIn, acksOut := o.pipe()
		sender := startChild(o, "signals", "", []*os.File{acksIn})
		ack := make([]byte, 1)
		taking := func(name string, first unix.Signal, take func()) way {
			return timed(name, func(n int) {
				try.Get(fmt.Fprintln(sender.in, int(first), burst, n))
				for range n {
					take()
					try.Get(acksOut.Write(ack))
				}
			})
		}

		var theirs []os.Signal
		for i := range unix.Signal(burst) {
			theirs = append(theirs, theirFirst+i)
		}
		notified := make(chan os.Signal, burst)
		signal.Notify(notified, theirs...)
		o.atEnd(func() error { signal.Stop(notified); return nil })
		ways := []way{taking("signal.Notify", theirFirst, func() {
			for range burst {
				<-notified
			}
		})}

		ours := ourSignals(burst)
		s, err := signalfd.New(ours)
		if errors.Is(err, errors.ErrUnsupported) {
			o.note("iofd is left out: %v", err)
			return ways
		}
		closing(o, try.Get(s, err))
		infos := make([]signalfd.Info, burst)
		takingBatches := func(name string, read func() (int, error)) way {
			return taking(name, ourFirst, func() {
				for taken := 0; taken < burst; {
					n := try.Get(read())
					for _, info := range infos[:n] {
						if !ours.Has(info.Signal) {
							try.Check(fmt.Errorf("took %v", info))
						}
					}
					taken += n
				}
			})
		}
		return append(ways,
			takingBatches("iofd signalfd, ReadBatchContext", func() (int, error) { return s.ReadBatchContext(background, infos) }),
			takingBatches("iofd signalfd, polled", func() (int, error) {
				return fd.WaitRead(background, s.FD(), func() (int, error) { return s.ReadBatch(infos) })
			}),
		)
	}
}

// sendSignals is the other process. Its standard input says with which signal a
// burst begins, how many it has and how often to send it, and descriptor 3
// acknowledges each.
func sendSignals() {
	parent := os.Getppid()
	ack := make([]byte, 1)
	for {
		var first, burst, n int
		_, err := fmt.Fscanln(os.Stdin, &first, &burst, &n)
		if err == io.EOF {
			return
		}
		try.Check(err)
		for range n {
			for i := range burst {
				try.Check(unix.Kill(parent, unix.Signal(first+i)))
			}
			try.Get(unix.Read(3, ack))
		}
	}
}
