package timerfd

import (
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// What the external tests look at.
var (
	Timespec = timespec
	Duration = duration
)

func At(c Clock, moment time.Time) (sys.Timespec, error) { return c.at(moment) }

func Now(c Clock) (unix.Timespec, error) { return c.now() }
