package main

import (
	"bytes"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// newRing returns both ends of a ring, the second received as by another process, and
// each mapped for itself.
func newRing(t testing.TB, size int, peer *pidfd.PidFD) (*Writer, *Reader) {
	t.Helper()
	var ours, theirs share
	require.NoError(t, ours.create(size))
	require.NoError(t, theirs.receive(duplicates(t, &ours)))
	w, err := ours.writer(peer)
	require.NoError(t, err)
	r, err := theirs.reader(peer)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, w.Close())
		assert.NoError(t, r.Close())
		assert.NoError(t, w.Close(), "again")
	})
	return w, r
}

func duplicates(t testing.TB, s *share) (memory, data, room *fd.FD) {
	t.Helper()
	var fds []*fd.FD
	for _, of := range []*fd.FD{s.memory.FD(), s.data.FD(), s.room.FD()} {
		d, err := of.Dup()
		require.NoError(t, err)
		fds = append(fds, d)
	}
	return fds[0], fds[1], fds[2]
}

func self(t testing.TB) *pidfd.PidFD {
	t.Helper()
	p, err := pidfd.Self()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

// spinning has both ends spin from the first wait, or never.
func spinning(spin bool, w, r *end) {
	for _, e := range []*end{w, r} {
		e.quick, e.patience = 0, math.MaxInt
		if spin {
			e.patience = 0
		}
	}
}

// All bytes come through in order, for all sizes.
func TestIntact(t *testing.T) {
	for what, c := range map[string]struct {
		ring, write, read int
		spin              bool
	}{
		"odd":            {minRing, 1000, 1000, true},
		"small to large": {minRing, 7, 5000, true},
		"large to small": {minRing, 50000, 7, true},
		"large":          {64 << 10, 1 << 20, 1 << 20, true},
		"always asleep":  {minRing, 5000, 5000, false},
	} {
		t.Run(what, func(t *testing.T) {
			w, r := newRing(t, c.ring, self(t))
			spinning(c.spin, &w.end, &r.end)
			total := 1 << 20
			if testing.Short() {
				total = 1 << 18
			}
			sent := make(chan uint32, 1)
			go func() {
				random := rand.New(rand.NewPCG(1, 2))
				var sum uint32
				for left := total; left > 0; {
					p := make([]byte, min(left, 1+random.IntN(c.write)))
					for i := range p {
						p[i] = byte(random.Uint32())
					}
					sum = crc32.Update(sum, castagnoli, p)
					n, err := w.Write(p)
					assert.NoError(t, err)
					assert.Equal(t, len(p), n)
					left -= len(p)
				}
				assert.NoError(t, w.Close())
				sent <- sum
			}()
			random := rand.New(rand.NewPCG(3, 4))
			var sum uint32
			got := 0
			for {
				p := make([]byte, 1+random.IntN(c.read))
				n, err := r.Read(p)
				got += n
				sum = crc32.Update(sum, castagnoli, p[:n])
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				require.Positive(t, n)
			}
			assert.Equal(t, total, got)
			assert.Equal(t, <-sent, sum)
			_, err := r.Read(make([]byte, 1))
			assert.Equal(t, io.EOF, err, "still")
		})
	}
}

// Each byte of the input is a step: so much written, or read, of what can be without
// waiting. A queue of bytes is the model. The positions begin anywhere.
func FuzzRing(f *testing.F) {
	f.Add(uint32(0), []byte{1, 130, 255, 255, 3, 128, 127, 200})
	f.Add(^uint32(0)-100, bytes.Repeat([]byte{127, 120, 250, 129}, 100))
	f.Add(uint32(1)<<31-5, bytes.Repeat([]byte{100, 255}, 300))
	f.Fuzz(func(t *testing.T, start uint32, steps []byte) {
		w, r := newRing(t, minRing, self(t))
		w.head, w.tail, r.head, r.tail = start, start, start, start
		w.header.head.Store(start)
		w.header.tail.Store(start)
		var model []byte
		for i, step := range steps {
			n := int(step&127) * int(step&127) / 3
			if step < 128 {
				p := make([]byte, min(n, minRing-len(model)))
				for j := range p {
					p[j] = byte(i + j)
				}
				model = append(model, p...)
				got, err := w.Write(p)
				require.NoError(t, err)
				require.Equal(t, len(p), got)
				continue
			}
			if len(model) == 0 {
				n = 0 // it would wait
			}
			p := make([]byte, n)
			got, err := r.Read(p)
			require.NoError(t, err)
			require.LessOrEqual(t, got, min(n, len(model)))
			require.Equal(t, n == 0, got == 0)
			require.True(t, bytes.Equal(model[:got], p[:got]))
			model = model[got:]
		}
	})
}

func asleep(t *testing.T, s side) {
	t.Helper()
	require.Eventually(t, func() bool { return s.sleeping.Load() != 0 }, 10*time.Second, time.Millisecond)
	time.Sleep(5 * time.Millisecond)
}

// The reader sleeps while there is nothing, the writer while there is no room, and
// each is woken.
func TestWaits(t *testing.T) {
	w, r := newRing(t, minRing, self(t))
	got := make(chan string, 1)
	go func() {
		p := make([]byte, 10)
		n, err := r.Read(p)
		assert.NoError(t, err)
		got <- string(p[:n])
	}()
	asleep(t, w.header.reader)
	_, err := w.Write([]byte("hello"))
	require.NoError(t, err)
	assert.Equal(t, "hello", <-got)
	assert.Zero(t, w.header.reader.sleeping.Load())

	written := make(chan int, 1)
	go func() {
		n, err := w.Write(make([]byte, minRing+100))
		assert.NoError(t, err)
		written <- n
	}()
	asleep(t, w.header.writer)
	// Not woken for less than it needs.
	_, err = io.ReadFull(r, make([]byte, 99))
	require.NoError(t, err)
	assert.EqualValues(t, 100, w.header.writer.sleeping.Load())
	_, err = io.ReadFull(r, make([]byte, 1))
	require.NoError(t, err)
	assert.Equal(t, minRing+100, <-written)
}

// A side does not miss a change just after its last look before the sleep.
func TestNoWakeUpLost(t *testing.T) {
	w, r := newRing(t, minRing, self(t))
	spinning(false, &w.end, &r.end)
	p := make([]byte, minRing)
	justAfter := func(look func() (uint32, error), do func()) func() (uint32, error) {
		looks := 0
		return func() (uint32, error) {
			there, err := look()
			if looks++; looks == 1 {
				do()
			}
			return there, err
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- r.await(1, justAfter(r.look, func() { _, _ = w.Write(p) }))
		done <- w.await(minRing/2, justAfter(w.look, func() { _, _ = r.Read(p) }))
		done <- r.await(1, justAfter(r.look, func() { _ = w.Close() }))
	}()
	for range 3 {
		select {
		case err := <-done:
			assert.NoError(t, err)
		case <-time.After(10 * time.Second):
			require.Fail(t, "it sleeps and is not woken")
		}
	}
}

// Two rings with messages there and back, and pauses of any length. Each end sleeps, spins,
// and changes from one to the other. After a lost wake-up, both
// sleep and the test hangs.
func TestStressNoWakeUpLost(t *testing.T) {
	trips := 100_000
	if testing.Short() {
		trips = 10_000
	}
	out, theirs := newRing(t, minRing, self(t))
	answers, in := newRing(t, minRing, self(t))
	var echoed, sent int
	var all sync.WaitGroup
	all.Go(func() {
		random := rand.New(rand.NewPCG(5, 6))
		p := make([]byte, minRing)
		for {
			n, err := theirs.Read(p)
			if err == io.EOF {
				break
			}
			pauseUpTo(random)
			if !assert.NoError(t, err) {
				break
			}
			if _, err = answers.Write(p[:n]); !assert.NoError(t, err) {
				break
			}
			echoed += n
		}
	})
	random := rand.New(rand.NewPCG(7, 8))
	p := make([]byte, minRing)
	for range trips {
		n := 1 + random.IntN(64)
		_, err := out.Write(p[:n])
		require.NoError(t, err)
		sent += n
		pauseUpTo(random)
		_, err = io.ReadFull(in, p[:n])
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
	all.Wait()
	assert.Equal(t, sent, echoed)
}

// pauseUpTo seldom sleeps, and else takes up to as long as a wake-up.
func pauseUpTo(random *rand.Rand) {
	if random.IntN(500) == 0 {
		time.Sleep(time.Duration(random.IntN(int(2 * quickWait))))
		return
	}
	for range random.IntN(3000) {
		_ = random.Uint32()
	}
}

// An end spins only after short waits, and less often each time that it had no success.
func TestSpinAdapts(t *testing.T) {
	_, r := newRing(t, minRing, self(t))
	looks := 0
	look := func(there uint32) func() (uint32, error) {
		return func() (uint32, error) { looks++; return there, nil }
	}
	spin := func(there uint32) bool {
		looks = 0
		done, err := r.spin(1, look(there))
		require.NoError(t, err)
		return done
	}
	for quick := range leastPatience {
		r.quick = quick
		assert.False(t, spin(1))
		assert.Zero(t, looks, "after %d short waits", quick)
	}
	for want := 2 * leastPatience; r.patience < mostPatience; want *= 2 {
		r.quick = r.patience
		assert.False(t, spin(0))
		assert.Positive(t, looks)
		assert.Zero(t, r.quick)
		assert.Equal(t, want, r.patience)
	}
	r.quick = mostPatience
	spin(0)
	assert.Equal(t, mostPatience, r.patience)
	r.quick = mostPatience
	assert.True(t, spin(1))
	assert.Equal(t, 1, looks)
	r.patience = mostPatience
	for want := mostPatience / 2; r.patience > leastPatience; want /= 2 {
		r.adapt(true)
		assert.Equal(t, want, r.patience)
	}
	r.adapt(true)
	assert.Equal(t, leastPatience, r.patience)
	r.quick = leastPatience
	_, err := r.spin(1, func() (uint32, error) { return 0, errCorrupt })
	assert.Equal(t, errCorrupt, err)
}

// A long wait has the end not spin in the next one. Short ones have it spin again.
func TestSpinAfterShortWaits(t *testing.T) {
	w, r := newRing(t, minRing, self(t))
	short := func() {
		for r.quick < leastPatience { // on a busy machine, some are not short
			require.NoError(t, r.await(0, r.look))
		}
	}
	short()
	r.patience = math.MaxInt // it does not spin, which would reset quick, too
	read := make(chan error, 1)
	go func() { _, err := r.Read(make([]byte, 1)); read <- err }()
	asleep(t, w.theirs) // and then some milliseconds
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-read)
	assert.Zero(t, r.quick)
	short()
}

// A write that the other has slept for takes a signal, the next takes none.
func TestNoSignalForNobody(t *testing.T) {
	w, r := newRing(t, minRing, self(t))
	for range 100 {
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		_, err = r.Read(make([]byte, 1))
		require.NoError(t, err)
	}
	_, err := w.tell.Wait()
	assert.Equal(t, fd.ErrWouldBlock, err)
	_, err = r.tell.Wait()
	assert.Equal(t, fd.ErrWouldBlock, err)
	r.mine.sleeping.Store(1)
	for range 3 {
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
	}
	n, err := w.tell.Wait()
	assert.NoError(t, err)
	assert.EqualValues(t, 1, n)

	// After a signal for nothing, the side sleeps again.
	require.NoError(t, w.tell.Notify())
	p := make([]byte, 10)
	n3, err := r.Read(p)
	assert.Equal(t, 3, n3)
	require.NoError(t, err)
	read := make(chan error, 1)
	go func() { _, err := r.Read(p); read <- err }()
	asleep(t, r.mine)
	assert.Empty(t, read)
	require.NoError(t, w.Close())
	assert.Equal(t, io.EOF, <-read)
}

func TestClosed(t *testing.T) {
	t.Run("writer", func(t *testing.T) {
		w, r := newRing(t, minRing, self(t))
		_, err := w.Write([]byte("last"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		all, err := io.ReadAll(r)
		assert.NoError(t, err)
		assert.Equal(t, "last", string(all))
		_, err = w.Write([]byte("x"))
		assert.Equal(t, io.ErrClosedPipe, err)
		require.NoError(t, r.Close())
		_, err = r.Read(make([]byte, 1))
		assert.Equal(t, io.ErrClosedPipe, err)
	})
	t.Run("reader", func(t *testing.T) {
		w, r := newRing(t, minRing, self(t))
		require.NoError(t, r.Close())
		n, err := w.Write([]byte("x"))
		assert.Zero(t, n)
		assert.Equal(t, io.ErrClosedPipe, err)
	})
	t.Run("reader, of one that sleeps", func(t *testing.T) {
		w, r := newRing(t, minRing, self(t))
		failed := make(chan error, 1)
		go func() {
			n, err := w.Write(make([]byte, 2*minRing))
			assert.Equal(t, minRing, n)
			failed <- err
		}()
		asleep(t, w.mine)
		require.NoError(t, r.Close())
		assert.Equal(t, io.ErrClosedPipe, <-failed)
	})
	t.Run("nothing", func(t *testing.T) {
		w, r := newRing(t, minRing, self(t))
		n, err := w.Write(nil)
		assert.NoError(t, err)
		assert.Zero(t, n)
		n, err = r.Read(nil)
		assert.NoError(t, err)
		assert.Zero(t, n)
	})
}

// An impossible position of the other side is an error. A possible one is no more than
// wrong.
func TestLies(t *testing.T) {
	for _, lie := range []uint32{minRing + 1, 1 << 20, 1 << 31, ^uint32(0), ^uint32(0) - minRing} {
		w, r := newRing(t, minRing, self(t))
		w.header.tail.Store(lie)
		for range 2 {
			n, err := r.Read(make([]byte, 2*minRing))
			assert.Zero(t, n)
			assert.ErrorIs(t, err, errCorrupt, lie)
		}

		w, r = newRing(t, minRing, self(t))
		_, err := w.Write(make([]byte, minRing))
		require.NoError(t, err)
		r.header.head.Store(lie)
		for range 2 {
			n, err := w.Write(make([]byte, minRing))
			assert.Zero(t, n)
			assert.ErrorIs(t, err, errCorrupt, lie)
		}

		// A side that sleeps sees it when it is woken.
		w, r = newRing(t, minRing, self(t))
		failed := make(chan error, 1)
		go func() {
			_, err := r.Read(make([]byte, 1))
			failed <- err
		}()
		asleep(t, r.mine)
		w.header.tail.Store(lie)
		require.NoError(t, w.tell.Notify())
		assert.ErrorIs(t, <-failed, errCorrupt)
		assert.Zero(t, w.header.reader.sleeping.Load())
	}
	// Nonsense in sleeping costs only the side that writes it.
	w, r := newRing(t, minRing, self(t))
	for _, lie := range []uint32{minRing + 1, ^uint32(0)} {
		r.mine.sleeping.Store(lie)
		w.mine.sleeping.Store(lie)
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		n, err := r.Read(make([]byte, 2))
		require.NoError(t, err)
		assert.Equal(t, 1, n)
	}
}

// The other side lies at random while it is read and written: nothing but errors comes
// of it, and bytes that are wrong.
func TestLiar(t *testing.T) {
	for seed := range uint64(200) {
		w, r := newRing(t, minRing, self(t))
		random := rand.New(rand.NewPCG(seed, 1))
		p := make([]byte, 3000)
		for range 50 {
			if w.free() >= uint32(len(p)) {
				_, _ = w.Write(p[:random.IntN(len(p))])
			}
			if w.header.tail.Load() != r.head { // else it would wait
				_, _ = r.Read(p[:random.IntN(len(p))])
			}
			if random.IntN(4) == 0 {
				w.header.tail.Add(random.Uint32N(4000) - 2000)
			}
			if random.IntN(4) == 0 {
				w.header.head.Add(random.Uint32N(4000) - 2000)
			}
		}
	}
}

// The end of the other side ends what waits for it, after what it has left.
func TestPeerEnded(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	peer, err := pidfd.Start(cmd)
	require.NoError(t, err)
	defer peer.Close()
	w, r := newRing(t, minRing, peer)
	full, _ := newRing(t, minRing, peer)
	_, err = full.Write(make([]byte, minRing))
	require.NoError(t, err)
	waiting := make(chan error, 2)
	go func() {
		_, err := full.Write([]byte("x"))
		waiting <- err
	}()
	_, ended := newRing(t, minRing, peer)
	go func() {
		_, err := ended.Read(make([]byte, 1))
		waiting <- err
	}()
	asleep(t, full.mine)
	asleep(t, ended.mine)
	_, err = w.Write([]byte("left"))
	require.NoError(t, err)
	require.NoError(t, peer.SendSignal(unix.SIGKILL))
	assert.Equal(t, errPeerEnded, <-waiting)
	assert.Equal(t, errPeerEnded, <-waiting)
	_ = cmd.Wait()
	p := make([]byte, 10)
	n, err := r.Read(p)
	assert.NoError(t, err)
	assert.Equal(t, "left", string(p[:n]))
	for range 2 {
		_, err = r.Read(p)
		assert.Equal(t, errPeerEnded, err)
	}
}
