//go:build linux

package timerfd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/timerfd"
)

// A call that needs a descriptor returns EMFILE at the limit. All other calls work.
func TestDescriptorLimitReturnsEMFILE(t *testing.T) {
	tm := timer(t, timerfd.Monotonic)
	number, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, 0)
	require.NoError(t, err)
	inherited := fd.New(number)
	defer inherited.Close()

	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	errs := map[string]error{}
	_, errs["New"] = timerfd.New(timerfd.Realtime)
	_, errs["FromFD"] = timerfd.FromFD(inherited)
	_, errs["Dup"] = tm.Dup()
	_, errs["File"] = tm.File("")
	_, errs["ReadContext, which parks"] = tm.ReadContext(background)
	armed := tm.Arm(0, 0)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))

	for name, err := range errs {
		assert.ErrorIs(t, err, unix.EMFILE, name)
	}
	require.NoError(t, armed)
	assert.Equal(t, uint64(1), expires(t, tm))
	assert.Equal(t, number, inherited.Fd(), "f keeps the descriptor")
	got, err := timerfd.FromFD(inherited)
	require.NoError(t, err)
	assert.Equal(t, timerfd.Boottime, got.Clock())
	require.NoError(t, got.Close())
}
