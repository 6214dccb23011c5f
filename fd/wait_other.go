//go:build darwin || freebsd

package fd

import "code.hybscloud.com/iofd/internal/sys"

func epollInstance(number int) (int, error) {
	return -1, sys.Invalid("fd: wait: descriptor %d is in blocking mode", number)
}

func (s *side) collectEdge(int) bool { return true }

func (s *side) readUint64() bool { return false }
