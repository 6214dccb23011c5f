package libcontainer

import (
	"context"

	"code.hybscloud.com/iofd/eventfd"
)

func newEventFD() (*eventfd.EventFD, error) { return eventfd.New(0) }

// await waits for the kernel to add to e.
func await(e *eventfd.EventFD) (uint64, error) { return e.WaitContext(context.Background()) }
