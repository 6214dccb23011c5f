//go:build linux

package timerfd

import (
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

// These names are for the external tests.
var (
	Timespec = timespec
	Duration = duration
)

func At(c Clock, moment time.Time) (sys.Timespec, error) { return c.at(moment) }

func Now(c Clock) (unix.Timespec, error) { return c.now() }
