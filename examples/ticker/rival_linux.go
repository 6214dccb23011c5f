package main

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/timerfd"
)

// A rival is a process that runs a time.Ticker. It says that it is ready by a
// line, begins when it is told how long to wait before, and when its input ends
// answers how late the ticks came.
type rival struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

// rivalCommand is the word before the interval on the rival's command line.
const rivalCommand = "time.Ticker"

// startRival starts the process, and returns when it is ready.
func startRival(every time.Duration) (*rival, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &rival{cmd: exec.Command(self, rivalCommand, every.String())}
	r.cmd.Stderr = os.Stderr
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if r.out, err = r.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r.out, make([]byte, len(ready))); err != nil {
		r.stop()
		return nil, fmt.Errorf("the process of the time.Ticker: %w", err)
	}
	return r, nil
}

const ready = "ready\n"

// start has the ticker made after a while; where that is over, at the same point of
// an interval.
func (r *rival) start(wait time.Duration) error {
	_, err := fmt.Fprintln(r.in, int64(wait))
	return err
}

func (r *rival) result() (*lateness, error) {
	_ = r.in.Close()
	late := new(lateness)
	if err := gob.NewDecoder(r.out).Decode(late); err != nil {
		return nil, fmt.Errorf("the process of the time.Ticker: %w", err)
	}
	return late, nil
}

// stop ends the process, if it has not ended yet.
func (r *rival) stop() {
	_ = r.in.Close()
	_ = r.cmd.Wait()
}

// runRival is the process.
func runRival(interval string) int {
	every, err := time.ParseDuration(interval)
	if err != nil {
		return fail(err, statusUsage)
	}
	// The terminal's signals come here too, but the end is the input's.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	fmt.Print(ready)
	var wait time.Duration
	if _, err := fmt.Scanln((*int64)(&wait)); err != nil {
		return statusFailed // the other process has ended
	}
	if wait < 0 {
		wait = wait%every + every
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := sleep(ctx, wait); err != nil && ctx.Err() == nil {
		return fail(err, statusFailed)
	}
	var late lateness
	late.tickUntil(ctx, every)
	if err := gob.NewEncoder(os.Stdout).Encode(&late); err != nil {
		return fail(err, statusFailed)
	}
	return 0
}

// sleep is as exact as the moment between two ticks asks for.
func sleep(ctx context.Context, d time.Duration) error {
	t, err := timerfd.New(timerfd.Monotonic)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.Arm(d, 0); err != nil {
		return err
	}
	_, err = t.ReadContext(ctx)
	return err
}

// tickUntil measures a time.Ticker as the timerfd is measured.
func (l *lateness) tickUntil(ctx context.Context, every time.Duration) {
	due := time.Now().Add(every)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		late := time.Since(due)
		if late < 0 {
			continue // counted already, when the one before it came too late
		}
		missed := late / every
		l.Add(late)
		l.Ticks++
		l.Missed += uint64(missed)
		due = due.Add((missed + 1) * every)
	}
}
