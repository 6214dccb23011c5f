package memfd

import (
	"io"
	"net"
	"os"
	"os/exec"
	"sync/atomic"

	"code.hybscloud.com/iofd/fd"
)

type Option uint64

const (
	AllowSealing Option = 1 << iota
	Executable
)

func HugeTLB(size int64) Option

type MemFD struct{}

func New(name string, opts ...Option) (*MemFD, error)
func NewSealed(name string, data []byte) (*MemFD, error)
func NewShared(name string, size int) (*MemFD, *Mapping, error)
func NewSecret() (*MemFD, error)
func FromFD(f *fd.FD) (*MemFD, error)
func ReceiveFrom(c *net.UnixConn, required Seal) (*MemFD, error)

func (m *MemFD) Name() string
func (m *MemFD) Read(p []byte) (int, error)
func (m *MemFD) Write(p []byte) (int, error)
func (m *MemFD) ReadAt(p []byte, off int64) (int, error)
func (m *MemFD) WriteAt(p []byte, off int64) (int, error)
func (m *MemFD) Seek(offset int64, whence int) (int64, error)
func (m *MemFD) ReadFrom(r io.Reader) (int64, error)
func (m *MemFD) WriteTo(w io.Writer) (int64, error)
func (m *MemFD) Truncate(size int64) error
func (m *MemFD) Size() (int64, error)
func (m *MemFD) Seal(Seal) error
func (m *MemFD) Seals() (Seal, error)
func (m *MemFD) Immutable() (bool, error)
func (m *MemFD) Allocate(off, n int64) error
func (m *MemFD) PunchHole(off, n int64) error
func (m *MemFD) Map(off int64, n int, prot Prot) (*Mapping, error)
func (m *MemFD) ReopenReadOnly() (*fd.FD, error)
func (m *MemFD) Path() string
func (m *MemFD) SendTo(c *net.UnixConn) error
func (m *MemFD) Start(cmd *exec.Cmd) error

func (m *MemFD) Fd() int
func (m *MemFD) Raw() int32
func (m *MemFD) Valid() bool
func (m *MemFD) Close() error
func (m *MemFD) Dup() (*MemFD, error)
func (m *MemFD) File(name string) (*os.File, error)
func (m *MemFD) FD() *fd.FD

type Seal struct{}

func (s Seal) String() string

type Prot struct{}

type Mapping struct{}

func (m *Mapping) Bytes() []byte
func (m *Mapping) Uint32(off int) *atomic.Uint32
func (m *Mapping) Uint64(off int) *atomic.Uint64
func (m *Mapping) Advise(Advice) error
func (m *Mapping) Close() error

type Advice int

const (
	WillNeed Advice = iota
	DontNeed
	HugePage
	NoHugePage
	DontDump
	Populate
)
