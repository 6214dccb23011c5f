//go:build linux || darwin || freebsd

package fd_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// More than a pipe holds, through io.Copy, which knows no context.
func TestWithContext(t *testing.T) {
	r, w := pipe(t, true)
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(w.WithContext(background), bytes.NewReader(data))
		done <- errors.Join(err, w.Close())
	}()
	got, err := io.ReadAll(r.WithContext(background))
	require.NoError(t, err)
	require.NoError(t, <-done)
	assert.True(t, bytes.Equal(data, got))
}

func TestWithContextEnds(t *testing.T) {
	r, w := pipe(t, true)
	// Without, the first line that has not come yet would be the last.
	assert.ErrorIs(t, second(bufio.NewReader(r).ReadString('\n')), fd.ErrWouldBlock)

	short, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	_, err := w.Write([]byte("half a line"))
	require.NoError(t, err)
	line, err := bufio.NewReader(r.WithContext(short)).ReadString('\n')
	assert.Equal(t, "half a line", line)
	assert.Equal(t, context.DeadlineExceeded, err)

	assert.ErrorIs(t, second(r.WithContext(noContext).Read(make([]byte, 1))), unix.EINVAL)
	assert.ErrorIs(t, second(w.WithContext(noContext).Write([]byte("x"))), unix.EINVAL)

	ended := make(chan error, 1)
	go func() { ended <- second(r.WithContext(background).Read(make([]byte, 1))) }()
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, r.Close())
	assert.Equal(t, fd.ErrClosed, <-ended)
	assert.Equal(t, fd.ErrClosed, second(r.WithContext(background).Read(make([]byte, 1))))
}
