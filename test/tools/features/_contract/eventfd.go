package eventfd

import (
	"context"
	"iter"
	"os"

	"code.hybscloud.com/iofd/fd"
)

type EventFD struct{}

func New(initval uint64) (*EventFD, error)
func NewSemaphore(initval uint64) (*EventFD, error)
func FromFD(f *fd.FD) (*EventFD, error)

func (e *EventFD) Signal(n uint64) error
func (e *EventFD) Notify() error
func (e *EventFD) Wait() (uint64, error)
func (e *EventFD) SignalContext(ctx context.Context, n uint64) error
func (e *EventFD) WaitContext(ctx context.Context) (uint64, error)
func (e *EventFD) All(ctx context.Context) iter.Seq2[uint64, error]
func (e *EventFD) Value() (uint64, error)
func (e *EventFD) Semaphore() (bool, error)
func (e *EventFD) ID() (int, error)
func (e *EventFD) Read(p []byte) (int, error)
func (e *EventFD) Write(p []byte) (int, error)

func (e *EventFD) Fd() int
func (e *EventFD) Raw() int32
func (e *EventFD) Valid() bool
func (e *EventFD) Close() error
func (e *EventFD) Dup() (*EventFD, error)
func (e *EventFD) File(name string) (*os.File, error)
func (e *EventFD) FD() *fd.FD

type Waker struct{}

func NewWaker() (*Waker, error)

func (w *Waker) Wake() error
func (w *Waker) Drain() error

func (w *Waker) Fd() int
func (w *Waker) Close() error
func (w *Waker) FD() *fd.FD
