//go:build darwin || freebsd

package fd

import "code.hybscloud.com/iofd/internal/sys"

func epollInstance(number int) (int, error) {
	return -1, sys.Invalid("descriptor %d cannot be waited for in blocking mode: call SetNonblock(true) first", number)
}

func (s *side) collectEdge(int) bool { return true }

func (s *side) readUint64() bool { return false }
