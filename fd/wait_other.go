//go:build darwin || freebsd

package fd

import (
	"context"
	"time"

	"code.hybscloud.com/iofd/internal/sys"
)

func watchEdges(number int) (*watched, error) {
	return nil, sys.Invalid("descriptor %d cannot be waited for in blocking mode: call SetNonblock(true) first", number)
}

// useEdges waits a little, because the runtime's poller reports no edges here.
func (p *poller) useEdges(ctx context.Context) error {
	select {
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
	case <-p.closed:
	}
	return p.ended(ctx)
}

func (s *side) collectEvents(uintptr) bool { return true }
