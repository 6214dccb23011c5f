package sys

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// checkPidFD says what of pidfds the kernel lacks.
func checkPidFD() error {
	self, err := pidfd.Self()
	if err != nil {
		return err
	}
	defer self.Close()
	if err := self.SendSignal(0); err != nil {
		return err
	}
	// A process is not its own child.
	if _, err := self.Wait(); !errors.Is(err, unix.ECHILD) {
		return fmt.Errorf("waitid with P_PIDFD: %v, not ECHILD", err)
	}
	return nil
}

// own takes over the number that clone(2) gave.
func own(number int) (*pidfd.PidFD, error) {
	f := fd.New(number)
	defer f.Close() // of nothing, once the PidFD has the number
	return pidfd.FromFD(f)
}

// reap waits for the end of a child.
func reap(child *pidfd.PidFD) { _, _ = child.WaitContext(context.Background()) }

// exists returns the bare errno, whose text is in the error that callers see.
func exists(child *pidfd.PidFD) error {
	err := child.SendSignal(0)
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
