package pidfd

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// done adds os.ErrProcessDone to an ESRCH of a process that has ended.
func done(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: %w", os.ErrProcessDone, err)
	}
	return err
}

// doneIfEnded is done for the error of a call on the pidfd number. The kernel also
// returns ESRCH for a running process whose first thread has exited. So doneIfEnded
// checks with poll(2) that the process has ended.
func doneIfEnded(number int, err error) error {
	if !errors.Is(err, unix.ESRCH) {
		return err
	}
	if revents, pollErr := sys.Poll(number, unix.POLLIN); revents == 0 || pollErr != nil {
		return err
	}
	return done(err)
}

// doneIfEnded is for a call that has dropped its reference to the number.
func (p *PidFD) doneIfEnded(err error) error {
	if !errors.Is(err, unix.ESRCH) {
		return err
	}
	number, closed := p.fd.Internal().Incref()
	if closed != nil {
		return err
	}
	defer p.fd.Internal().Decref()
	return doneIfEnded(number, err)
}

// unsupported adds errors.ErrUnsupported to an error that says that the kernel lacks
// the call.
func unsupported(err error) error {
	return fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
}
