package memfd_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/memfd"
)

// TestModel does the same at random to a file and to a slice with an offset.
func TestModel(t *testing.T) {
	const (
		steps = 4000
		limit = 100_000 // of the offsets
	)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	page := os.Getpagesize()

	m := create(t)
	var model []byte
	var at int
	resize := func(n int) {
		if n > len(model) {
			model = append(model, make([]byte, n-len(model))...)
		}
		model = model[:n]
	}
	put := func(p []byte, off int) {
		if len(p) > 0 {
			resize(max(len(model), off+len(p)))
			copy(model[off:], p)
		}
	}
	from := func(off int) []byte { return model[min(off, len(model)):] }
	text := func() []byte {
		p := make([]byte, random.IntN(1<<random.IntN(15)))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		return p
	}

	for step := range steps {
		switch op := random.IntN(10); op {
		case 0: // Write
			p := text()
			if at > limit {
				continue
			}
			n, err := m.Write(p)
			require.NoError(t, err)
			require.Equal(t, len(p), n)
			put(p, at)
			at += n
		case 1: // WriteAt
			p, off := text(), random.IntN(limit)
			n, err := m.WriteAt(p, int64(off))
			require.NoError(t, err)
			require.Equal(t, len(p), n)
			put(p, off)
		case 2: // Read
			p := text()
			n, err := m.Read(p)
			if len(p) > 0 && len(from(at)) == 0 {
				require.Equal(t, io.EOF, err)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, min(len(p), len(from(at))), n)
			require.True(t, bytes.Equal(from(at)[:n], p[:n]))
			at += n
		case 3: // ReadAt
			p, off := text(), random.IntN(limit)
			n, err := m.ReadAt(p, int64(off))
			require.Equal(t, min(len(p), len(from(off))), n)
			if n < len(p) {
				require.Equal(t, io.EOF, err)
			} else {
				require.NoError(t, err)
			}
			require.True(t, bytes.Equal(from(off)[:n], p[:n]))
		case 4: // Seek
			whence := random.IntN(3)
			target := random.IntN(limit)
			origin := [...]int{0, at, len(model)}[whence]
			off, err := m.Seek(int64(target-origin), whence)
			require.NoError(t, err)
			require.EqualValues(t, target, off)
			at = target
		case 5: // Truncate
			n := random.IntN(limit)
			require.NoError(t, m.Truncate(int64(n)))
			resize(n)
		case 6: // ReadFrom
			p := bytes.Repeat(text(), 1+random.IntN(8))
			if at > limit {
				continue
			}
			n, err := m.ReadFrom(bytes.NewReader(p))
			require.NoError(t, err)
			require.EqualValues(t, len(p), n)
			put(p, at)
			at += len(p)
		case 7: // WriteTo, some of it
			limit := random.IntN(limit)
			w := &shortWriter{limit: limit}
			n, err := m.WriteTo(w)
			want := from(at)
			if len(want) > limit {
				require.Equal(t, io.ErrShortWrite, err)
				want = want[:limit]
			} else {
				require.NoError(t, err)
			}
			require.EqualValues(t, len(want), n)
			require.True(t, bytes.Equal(want, w.Bytes()))
			at += len(want)
		case 8: // Map
			off := random.IntN(limit/page+1) * page
			room := len(from(off))
			if room == 0 {
				continue
			}
			n := 1 + random.IntN(room)
			prot := memfd.Prot(random.IntN(3))
			mapping, err := m.Map(int64(off), n, prot)
			require.NoError(t, err)
			require.True(t, bytes.Equal(model[off:off+n], mapping.Bytes()))
			if prot != memfd.ReadOnly {
				p := text()
				k := copy(mapping.Bytes(), p)
				if prot == memfd.ReadWrite {
					put(p[:k], off)
				}
			}
			require.NoError(t, mapping.Close())
		case 9: // a second descriptor takes over
			d, err := m.Dup()
			require.NoError(t, err)
			require.NoError(t, m.Close())
			m = d
			t.Cleanup(func() { _ = d.Close() })
		}

		require.EqualValues(t, at, offset(t, m), "step %d", step)
		size, err := m.Size()
		require.NoError(t, err)
		require.EqualValues(t, len(model), size, "step %d", step)
		if step%50 == 0 {
			require.True(t, bytes.Equal(model, []byte(content(t, m))), "step %d", step)
		}
	}
	require.True(t, bytes.Equal(model, []byte(content(t, m))))
}
