//go:build linux

package eventfd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
)

// A call that needs a descriptor returns EMFILE at the limit. All other calls work.
func TestDescriptorLimitReturnsEMFILE(t *testing.T) {
	e, empty := counter(t, 3), counter(t, 0)
	number, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	require.NoError(t, err)
	inherited, err := eventfd.FromFD(fd.New(number))
	made(t, inherited, err)

	dup, err := e.Dup()
	made(t, dup, err)

	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	errs := map[string]error{}
	_, errs["New"] = eventfd.New(0)
	_, errs["New, 64 bits"] = eventfd.New(full)
	_, errs["NewSemaphore"] = eventfd.NewSemaphore(0)
	_, errs["Dup"] = e.Dup()
	_, errs["File"] = e.File("")
	_, errs["Value"] = e.Value()
	_, errs["ID"] = e.ID()
	_, errs["Semaphore, inherited"] = inherited.Semaphore()
	_, errs["WaitContext, which parks"] = empty.WaitContext(background)
	_, remembered := e.Semaphore()
	_, rememberedByDup := dup.Semaphore()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))

	for name, err := range errs {
		assert.ErrorIs(t, err, unix.EMFILE, name)
	}
	assert.NoError(t, remembered)
	assert.NoError(t, rememberedByDup)
}
