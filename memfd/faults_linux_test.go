package memfd_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// A memfd that cannot be looked at is not called something else.
func TestFromFDCannotLook(t *testing.T) {
	number, err := unix.MemfdCreate("cannot look", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := fd.New(number)
	defer f.Close()
	for call, refusal := range map[string]systest.Refusal{
		"fstatfs": {Call: systest.Fstatfs, Errno: unix.ENOMEM},
		"fcntl":   {Call: systest.Fcntl, Errno: unix.ENOMEM, Arg: 2, Value: unix.F_GET_SEALS},
	} {
		systest.Refuse(t, func() {
			_, err := memfd.FromFD(f)
			assert.ErrorIs(t, err, unix.ENOMEM)
			var named *os.SyscallError
			if assert.ErrorAs(t, err, &named) {
				assert.Equal(t, call, named.Syscall)
			}
		}, refusal)
		assert.Equal(t, number, f.Fd(), "still the caller's")
	}
	m, err := memfd.FromFD(f)
	require.NoError(t, err)
	require.NoError(t, m.Close())
}
