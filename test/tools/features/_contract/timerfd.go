package timerfd

import (
	"context"
	"iter"
	"os"
	"time"

	"code.hybscloud.com/iofd/fd"
)

type Clock int

const (
	Realtime Clock = iota
	Monotonic
	Boottime
	RealtimeAlarm
	BoottimeAlarm
)

type AtOption uint64

const CancelOnSet AtOption = 1

var ErrClockChanged error

type TimerFD struct{}

func New(clock Clock) (*TimerFD, error)
func FromFD(f *fd.FD) (*TimerFD, error)

func (t *TimerFD) Arm(initial, interval time.Duration) error
func (t *TimerFD) Swap(initial, interval time.Duration) (remaining, wasInterval time.Duration, err error)
func (t *TimerFD) ArmAt(deadline time.Time, interval time.Duration, opts ...AtOption) error
func (t *TimerFD) Disarm() error
func (t *TimerFD) Read() (expirations uint64, err error)
func (t *TimerFD) ReadContext(ctx context.Context) (uint64, error)
func (t *TimerFD) WaitUntil(ctx context.Context, deadline time.Time) error
func (t *TimerFD) All(ctx context.Context) iter.Seq2[uint64, error]
func (t *TimerFD) Remaining() (remaining, interval time.Duration, err error)
func (t *TimerFD) Clock() Clock

func (t *TimerFD) Fd() int
func (t *TimerFD) Raw() int32
func (t *TimerFD) Valid() bool
func (t *TimerFD) Close() error
func (t *TimerFD) Dup() (*TimerFD, error)
func (t *TimerFD) File(name string) (*os.File, error)
func (t *TimerFD) FD() *fd.FD
