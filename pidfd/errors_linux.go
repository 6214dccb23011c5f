package pidfd

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// processError adds os.ErrProcessDone to an err that says so by ESRCH.
func processError(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: %w", os.ErrProcessDone, err)
	}
	return err
}

// unsupported adds errors.ErrUnsupported to the err by which the kernel says
// that it does not know what was asked for.
func unsupported(err error) error {
	return fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
}
