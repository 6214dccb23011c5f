package signalfd_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/signalfd"
)

func TestSet(t *testing.T) {
	var s signalfd.Set
	assert.True(t, s.Empty())
	assert.Empty(t, s.Signals())
	assert.Equal(t, "{}", s.String())

	s.Add(64, unix.SIGTERM, unix.SIGHUP, unix.SIGHUP)
	assert.Equal(t, signalfd.Set(1<<63|1<<14|1), s)
	assert.False(t, s.Empty())
	assert.True(t, s.Has(unix.SIGTERM))
	assert.False(t, s.Has(unix.SIGINT))
	assert.Equal(t, []syscall.Signal{unix.SIGHUP, unix.SIGTERM, 64}, s.Signals())
	assert.Equal(t, "{SIGHUP SIGTERM 64}", s.String())
	assert.Equal(t, s, signalfd.NewSet(s.Signals()...))

	s.Del(unix.SIGHUP, unix.SIGINT)
	assert.Equal(t, "{SIGTERM 64}", s.String())

	all := ^signalfd.Set(0)
	assert.Len(t, all.Signals(), 64)
}

// Numbers that are no signals have no place in a set.
func TestSetNoSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{0, -1, -1 << 31, 65, 127, 128, 1 << 30} {
		s := signalfd.NewSet(unix.SIGUSR1, sig)
		assert.Equal(t, signalfd.NewSet(unix.SIGUSR1), s, int(sig))
		assert.False(t, s.Has(sig), int(sig))
		s.Del(sig)
		assert.True(t, s.Has(unix.SIGUSR1), int(sig))
	}
}
