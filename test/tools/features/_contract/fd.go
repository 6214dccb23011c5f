package fd

import (
	"context"
	"net"
	"os"
	"syscall"

	"code.hybscloud.com/iofd/iface"
)

type (
	PollFd     = iface.PollFd
	PollCloser = iface.PollCloser
	Handle     = iface.Handle
	Signaler   = iface.Signaler
	Timer      = iface.Timer
)

var (
	ErrWouldBlock error
	ErrClosed     error
)

type (
	FD  struct{}
	Pin struct{}
)

func (p *Pin) Number() int
func (p *Pin) Unpin()

func New(raw int) *FD
func NewNonblock(raw int) *FD
func FromFile(file *os.File) (*FD, error)

func Send(c *net.UnixConn, data []byte, fds ...*FD) error
func Receive(c *net.UnixConn, data []byte, limit int) (n int, fds []*FD, err error)

func (f *FD) Raw() int32
func (f *FD) Fd() int
func (f *FD) Valid() bool
func (f *FD) Close() error
func (f *FD) Read(p []byte) (int, error)
func (f *FD) Write(p []byte) (int, error)
func (f *FD) ReadContext(ctx context.Context, p []byte) (int, error)
func (f *FD) WriteContext(ctx context.Context, p []byte) (int, error)
func (f *FD) Readv(bufs [][]byte) (int, error)
func (f *FD) Writev(bufs [][]byte) (int, error)
func (f *FD) ReadAt(p []byte, off int64) (int, error)
func (f *FD) WriteAt(p []byte, off int64) (int, error)
func (f *FD) Shutdown(how int) error
func (f *FD) SetNonblock(nonblock bool) error
func (f *FD) SetCloexec(cloexec bool) error
func (f *FD) Nonblock() (bool, error)
func (f *FD) Cloexec() (bool, error)
func (f *FD) Dup() (*FD, error)
func (f *FD) Release() (int, error)
func (f *FD) Control(fn func(number int) error) error
func (f *FD) Pin() (*Pin, error)
func (f *FD) SameFile(other *FD) (bool, error)
func (f *FD) File(name string) (*os.File, error)
func (f *FD) SyscallConn() (syscall.RawConn, error)
func (f *FD) String() string
