//go:build darwin || freebsd

package fd

import (
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys"
)

func sameFile(a, b int) (bool, error) {
	return false, sys.Misuse(unix.ENOTSUP, "fd: SameFile: this system cannot compare descriptors %d and %d", a, b)
}
