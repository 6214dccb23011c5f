package pidfd

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
)

type PidFD struct{}

func Open(pid int) (*PidFD, error)
func OpenThread(tid int) (*PidFD, error)
func OpenEnded() (*PidFD, error)
func Self() (*PidFD, error)
func FromProcess(p *os.Process) (*PidFD, error)
func Start(cmd *exec.Cmd) (*PidFD, error)
func FromPeer(c syscall.RawConn) (*PidFD, error)
func FromFD(f *fd.FD) (*PidFD, error)

func (p *PidFD) PID() int
func (p *PidFD) ID() (uint64, error)
func (p *PidFD) SendSignal(sig syscall.Signal) error
func (p *PidFD) SendSignalTo(sig syscall.Signal, to Scope) error
func (p *PidFD) Queue(sig syscall.Signal, value int) error
func (p *PidFD) Alive() (bool, error)
func (p *PidFD) Wait() (*ExitStatus, error)
func (p *PidFD) WaitContext(ctx context.Context) (*ExitStatus, error)
func (p *PidFD) Terminate(ctx context.Context, grace time.Duration) (*ExitStatus, error)
func (p *PidFD) Context(parent context.Context) (context.Context, context.CancelFunc)
func (p *PidFD) Exited(ctx context.Context) error
func (p *PidFD) Reaped(ctx context.Context) error
func (p *PidFD) Usage() (Usage, error)
func (p *PidFD) GetFD(target int) (*fd.FD, error)
func (p *PidFD) Info() (Info, error)
func (p *PidFD) Namespace(kind NamespaceKind) (*fd.FD, error)

func (p *PidFD) Fd() int
func (p *PidFD) Raw() int32
func (p *PidFD) Valid() bool
func (p *PidFD) Close() error
func (p *PidFD) Dup() (*PidFD, error)
func (p *PidFD) File(name string) (*os.File, error)
func (p *PidFD) FD() *fd.FD

var ErrEnded error

type Scope struct{}

var Thread, ThreadGroup, ProcessGroup Scope

type ExitStatus struct {
	PID        int
	Code       int
	Signal     syscall.Signal
	CoreDumped bool
	Rusage     unix.Rusage
}

func (s *ExitStatus) Exited() bool
func (s *ExitStatus) Signaled() bool
func (s *ExitStatus) MaxRSS() int64
func (s *ExitStatus) MaxRSSExact() bool

type Usage struct {
	UserTime, SystemTime time.Duration
	RSS, PeakRSS         int64
}

type Info struct{}

type NamespaceKind struct{}
