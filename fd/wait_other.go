//go:build darwin || freebsd

package fd

import (
	"os"

	"code.hybscloud.com/iofd/internal/sys"
)

// watch returns a file for the runtime's poller, and the events by which it shows
// that number is ready for events: a duplicate, which the poller may close without
// harm to number. The poller only takes descriptors in non-blocking mode.
func watch(number int, events int16) (*os.File, int16, error) {
	file, err := duplicate(number)
	if file == nil && err == nil {
		err = sys.Invalid("descriptor %d cannot be waited for in blocking mode: call SetNonblock(true) first", number)
	}
	return file, events, err
}
