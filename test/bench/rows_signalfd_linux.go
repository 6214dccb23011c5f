package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"

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

// afterBlock is the way with the kernel's signalfd.
func afterBlock(burst int) *variant {
	return &variant{name: "iofd signalfd, ReadBatchContext after Block", blocked: ourSignals(burst)}
}

// signalWays take so many different signals at once: the sender sends a burst for each
// byte that it gets. They are real-time signals, of which Go's own
// threads use the first. signal.Notify may give a signal once that came twice.
func signalWays(burst int) func(o *opened) []way {
	return func(o *opened) []way {
		sender := startChild(o, "signals", strconv.Itoa(burst))
		taking := func(name string, first unix.Signal, take func()) way {
			start := []byte{byte(first)}
			return each(name, func() {
				try.Get(sender.Write(start))
				take()
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

// sendSignals is the other process. Each byte of its standard input is the first signal
// of a burst.
func sendSignals(burst string) {
	n := try.Get(strconv.Atoi(burst))
	first := make([]byte, 1)
	for {
		size(1).check(os.Stdin.Read(first))
		for i := range n {
			try.Check(unix.Kill(os.Getppid(), unix.Signal(int(first[0])+i)))
		}
	}
}
