package main

import (
	"context"
	"time"

	"code.hybscloud.com/iofd/pidfd"
)

// patience is how long the end of a process may come after what told of it: its
// descriptors are closed a little before.
const patience = time.Second

// ended reports whether a process has ended, or does so in a moment.
func ended(process *pidfd.PidFD) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return process.Exited(ctx) == nil
}
