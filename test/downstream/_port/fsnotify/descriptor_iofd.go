//go:build linux && !appengine

package fsnotify

import (
	"context"
	"io"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

// descriptor is an inotify instance, see inotify(7). Its Read waits for events.
type descriptor struct {
	io.Reader
	fd *fd.FD
}

func newDescriptor() (descriptor, error) {
	number, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return descriptor{}, err
	}
	f := fd.NewNonblock(number)
	return descriptor{f.WithContext(context.Background()), f}, nil
}

// addWatch and rmWatch use Control, so that a Close cannot free the number meanwhile.
func (d descriptor) addWatch(path string, mask uint32) (wd int, err error) {
	err = d.fd.Control(func(number int) error {
		wd, err = unix.InotifyAddWatch(number, path, mask)
		return err
	})
	return wd, err
}

func (d descriptor) rmWatch(wd uint32) (success int, err error) {
	err = d.fd.Control(func(number int) error {
		success, err = unix.InotifyRmWatch(number, wd)
		return err
	})
	return success, err
}

func (d descriptor) Close() error { return d.fd.Close() }
