package signalfd

import (
	"context"
	"iter"
	"os"
	"os/exec"
	"syscall"

	"code.hybscloud.com/iofd/fd"
)

type Set uint64

func NewSet(sigs ...syscall.Signal) Set

func (s *Set) Add(sigs ...syscall.Signal)
func (s *Set) Del(sigs ...syscall.Signal)
func (s Set) Has(sig syscall.Signal) bool
func (s Set) Empty() bool
func (s Set) Signals() []syscall.Signal
func (s Set) String() string

func Block(set Set) error
func Start(cmd *exec.Cmd) error

type UnblockableError struct{ Signals Set }

func (e *UnblockableError) Error() string

var ErrNotSticky error

type SignalFD struct{}

func New(set Set) (*SignalFD, error)
func Open(set Set) (*SignalFD, error)
func FromFD(f *fd.FD) (*SignalFD, error)

func (s *SignalFD) Read() (Info, error)
func (s *SignalFD) ReadContext(ctx context.Context) (Info, error)
func (s *SignalFD) All(ctx context.Context) iter.Seq2[Info, error]
func (s *SignalFD) ReadBatch(infos []Info) (int, error)
func (s *SignalFD) ReadBatchContext(ctx context.Context, infos []Info) (int, error)
func (s *SignalFD) SetMask(Set) error
func (s *SignalFD) Mask() Set
func (s *SignalFD) Dropped() uint64
func (s *SignalFD) Replaced() Set

func (s *SignalFD) Fd() int
func (s *SignalFD) Raw() int32
func (s *SignalFD) Valid() bool
func (s *SignalFD) Close() error
func (s *SignalFD) Dup() (*SignalFD, error)
func (s *SignalFD) File(name string) (*os.File, error)
func (s *SignalFD) FD() *fd.FD

type Info struct {
	Signal  syscall.Signal
	Code    Code
	PID     int
	UID     int
	Status  int
	Int     int
	Ptr     uint64
	Overrun int
}

type Code struct{}

func (c Code) String() string
