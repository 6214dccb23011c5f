//go:build linux

package timerfd_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/internal/sys"
	"code.hybscloud.com/iofd/timerfd"
)

// FuzzDuration converts a duration to a time of the kernel and back. Both parts of the
// time must have the sign of the duration.
func FuzzDuration(f *testing.F) {
	for _, d := range []int64{0, 1, -1, 1e9 - 1, 1e9, 1e9 + 1, math.MaxInt64, math.MinInt64} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		d := time.Duration(n)
		ts := timerfd.Timespec(d)
		assert.Equal(t, d, time.Duration(ts.Sec)*time.Second+time.Duration(ts.Nsec))
		assert.Less(t, max(ts.Nsec, -ts.Nsec), int64(1e9))
		assert.False(t, ts.Sec < 0 && ts.Nsec > 0 || ts.Sec > 0 && ts.Nsec < 0)
		if d >= 0 {
			// Duration ignores the nanoseconds of the last second.
			want := d
			if ts.Sec == math.MaxInt64/int64(time.Second) {
				want = math.MaxInt64
			}
			assert.Equal(t, want, timerfd.Duration(ts))
		}
	})
}

// FuzzMoment converts moments to times of the clock. Every time must be valid for the
// kernel, and not before time 0 of the clock. The timer must expire at once if and
// only if the moment has passed.
func FuzzMoment(f *testing.F) {
	const last = math.MaxInt64 - 62135596800
	for _, sec := range []int64{0, -1, 1, 1 << 31, 1 << 32, 9223372036, 9223372037, last, last + 1, math.MinInt64, math.MaxInt64} {
		for _, nsec := range []int64{0, 1, -1, 999999999, math.MaxInt64, math.MinInt64} {
			f.Add(sec, nsec, false)
		}
	}
	for _, ahead := range []int64{0, -1, int64(-far), int64(far), math.MaxInt64, math.MinInt64} {
		f.Add(ahead, int64(0), true)
	}
	f.Fuzz(func(t *testing.T, sec, nsec int64, ahead bool) {
		moments := []time.Time{time.Unix(sec, nsec)}
		if ahead {
			moments[0] = time.Now().Add(time.Duration(sec))
			moments = append(moments, moments[0].Round(0), moments[0].UTC())
		}
		for _, moment := range moments {
			for _, clock := range clocks {
				at, err := timerfd.At(clock, moment)
				require.NoError(t, err)
				require.GreaterOrEqual(t, at.Sec, int64(0))
				require.GreaterOrEqual(t, at.Nsec, int64(0))
				require.Less(t, at.Nsec, int64(1e9))
				switch {
				case !wall(clock):
					between(t, clock, moment)
				case at == (sys.Timespec{}):
					require.False(t, moment.After(time.Unix(0, 0)))
				default:
					require.True(t, moment.Equal(time.Unix(at.Sec, at.Nsec)))
				}
			}
			for _, clock := range clocks[:3] {
				tm := timer(t, clock)
				require.NoError(t, tm.ArmAt(moment, 0))
				switch ahead := time.Until(moment); {
				case ahead > time.Minute:
					notYet(t, tm)
				case ahead <= 0:
					require.Equal(t, uint64(1), expires(t, tm))
				}
			}
		}
	})
}

// A model behaves as timerfd_create(2) describes a timer. It does not model time: it
// expires either at once or in the far future.
type model struct {
	clock    timerfd.Clock
	armed    bool // it will expire, in atLeast
	due      bool // it has expired or is about to expire
	atLeast  time.Duration
	interval time.Duration
}

func (m *model) arm(due bool, interval time.Duration) {
	m.armed, m.due, m.atLeast, m.interval = !due, due, far-time.Minute, interval
}

func (m *model) disarm() { m.armed, m.due, m.interval = false, false, 0 }

// read takes the expirations. With a short interval the timer is due again at once. A
// part of a long interval may be over, because it began at the first expiration.
func (m *model) read() {
	m.due = 0 < m.interval && m.interval < far
	m.armed = m.interval >= far
	m.atLeast = 1
}

var (
	delays    = []time.Duration{0, 1, far, math.MaxInt64, -1, math.MinInt64}
	intervals = []time.Duration{0, 0, 1, far, math.MaxInt64, -1}
)

// moments returns Times in the past, followed by Times in the future.
func moments() (all []time.Time, passed int) {
	now := time.Now()
	return []time.Time{
		{}, time.Unix(0, 0), now, now.Round(0), now.Add(-time.Second),
		now.Add(far), now.Add(far).Round(0), time.Unix(0, math.MaxInt64), time.Unix(1<<40, 0),
	}, 5
}

// FuzzModel compares a sequence of calls with the model.
func FuzzModel(f *testing.F) {
	f.Add(byte(0), []byte{0, 0, 0, 2, 0, 0, 1, 2, 4, 3, 4})
	f.Add(byte(1), []byte{0, 1, 3, 3, 4, 2, 0, 2, 0, 4, 0, 4, 0, 3, 4})
	f.Add(byte(2), []byte{1, 0, 2, 3, 2, 4, 1, 8, 4, 6, 4, 2, 5, 1, 5, 5})
	f.Fuzz(func(t *testing.T, clock byte, ops []byte) {
		m := &model{clock: clocks[int(clock)%3]}
		tm, err := timerfd.New(m.clock)
		require.NoError(t, err)
		defer tm.Close()
		other, err := tm.Dup()
		require.NoError(t, err)
		defer other.Close()
		ended := endedContext()

		next := func(n int) int {
			if len(ops) == 0 {
				return 0
			}
			b := ops[0]
			ops = ops[1:]
			return int(b) % n
		}
		for range min(len(ops), 256) {
			switch next(7) {
			case 0:
				delay, interval := delays[next(len(delays))], intervals[next(len(intervals))]
				err := tm.Arm(delay, interval)
				if delay < 0 || interval < 0 {
					require.ErrorIs(t, err, unix.EINVAL)
					break
				}
				require.NoError(t, err)
				m.arm(delay < far, interval)
			case 1:
				all, passed := moments()
				i, interval := next(len(all)), intervals[next(len(intervals))]
				err := tm.ArmAt(all[i], interval)
				if interval < 0 {
					require.ErrorIs(t, err, unix.EINVAL)
					break
				}
				require.NoError(t, err)
				m.arm(i < passed, interval)
			case 2:
				require.NoError(t, tm.Disarm())
				m.disarm()
			case 3:
				n, err := tm.Read()
				m.check(t, n, err, fd.ErrWouldBlock)
			case 4:
				n, err := tm.ReadContext(ended)
				m.check(t, n, err, context.Canceled)
			case 5:
				if m.due {
					n := expires(t, tm)
					m.check(t, n, nil, nil)
				}
			case 6:
				tm, other = other, tm
			}
			require.Equal(t, m.clock, tm.Clock())
			remaining, interval, err := other.Remaining()
			require.NoError(t, err)
			require.Equal(t, m.interval, interval)
			switch {
			case m.armed:
				require.GreaterOrEqual(t, remaining, m.atLeast)
			case !m.due:
				require.Zero(t, remaining)
			default: // about to expire, or to expire again
				require.LessOrEqual(t, remaining, m.interval)
			}
		}
	})
}

// check compares the result of a read with the model. An expiration that is due may
// still be pending.
func (m *model) check(t *testing.T, n uint64, err, nothing error) {
	t.Helper()
	switch {
	case err != nil:
		require.Equal(t, nothing, err)
		require.Zero(t, n)
	default:
		require.True(t, m.due)
		require.Positive(t, n)
		if m.interval == 0 {
			require.Equal(t, uint64(1), n)
		}
		m.read()
	}
}
