package memfd_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

// TestModel does the same at random to a file and to a model of it.
func TestModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	programs := 100
	if testing.Short() {
		programs = 20
	}
	for range programs {
		p := make([]byte, 1000)
		_, _ = random.Read(p)
		runModel(t, p)
	}
}

// FuzzModel does to a file and to a model of it what the fuzzer's bytes say.
func FuzzModel(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a handful of operations, whichever these bytes are"))
	for op := range byte(len(operations)) {
		f.Add(bytes.Repeat([]byte{0, 200, 1, 7, op, 100, 0, 3}, 8)) // after a Write each
	}
	f.Fuzz(func(t *testing.T, p []byte) { runModel(t, p[:min(len(p), 4096)]) })
}

// A program says what to do, byte by byte. At its end it gives zeros.
type program []byte

func (p *program) byte() (b byte) {
	if len(*p) > 0 {
		b, *p = (*p)[0], (*p)[1:]
	}
	return b
}

// below returns a number below limit.
func (p *program) below(limit int) int {
	return (int(p.byte()) | int(p.byte())<<8 | int(p.byte())<<16) % limit
}

// text returns up to some pages of bytes, seldom that many.
func (p *program) text() []byte {
	text := make([]byte, p.below(1<<(p.byte()%15)))
	first := p.byte()
	for i := range text {
		text[i] = first + byte(i%251)
	}
	return text
}

// model is what the file should be, beside the file.
type model struct {
	*testing.T
	program
	file *memfd.MemFD

	bytes []byte
	at    int // the file offset
	seals memfd.Seal

	mapping *memfd.Mapping // a shared one that stays, or nil
	mapped  int            // where it is
	prot    memfd.Prot
	busy    bool // it is in the way of SealWrite
}

const (
	writeSeals  = memfd.SealWrite | memfd.SealFutureWrite
	modelLimit  = 100_000 // of offsets
	modelSealed = writeSeals | memfd.SealGrow | memfd.SealShrink | memfd.SealSeal
)

func runModel(t *testing.T, p program) {
	file, err := memfd.New("model", memfd.AllowSealing)
	require.NoError(t, err)
	m := &model{T: t, program: p, file: file}
	defer func() { require.NoError(t, m.file.Close()) }()
	defer func() {
		if m.mapping != nil {
			require.NoError(t, m.mapping.Close())
		}
	}()
	for len(m.program) > 0 {
		operations[int(m.byte())%len(operations)](m)
		m.compare()
	}
	require.True(t, bytes.Equal(m.bytes, []byte(content(t, m.file))))
}

// compare compares all but the content, which each operation looks at.
func (m *model) compare() {
	require.EqualValues(m, m.at, offset(m.T, m.file))
	size, err := m.file.Size()
	require.NoError(m, err)
	require.EqualValues(m, len(m.bytes), size)
	seals, err := m.file.Seals()
	require.NoError(m, err)
	require.Equal(m, m.seals, seals&modelSealed)
	if m.mapping != nil {
		have := m.from(m.mapped)
		n := min(len(have), len(m.mapping.Bytes())) // the rest is a fault
		require.True(m, bytes.Equal(have[:n], m.mapping.Bytes()[:n]))
	}
}

func (m *model) resize(n int) {
	if n > len(m.bytes) {
		m.bytes = append(m.bytes, make([]byte, n-len(m.bytes))...)
	}
	m.bytes = m.bytes[:n]
}

func (m *model) put(p []byte, off int) {
	if len(p) > 0 {
		m.resize(max(len(m.bytes), off+len(p)))
		copy(m.bytes[off:], p)
	}
}

func (m *model) from(off int) []byte { return m.bytes[min(off, len(m.bytes)):] }

// wrote compares what a write of p at off returned, and does it to the model.
func (m *model) wrote(p []byte, off, n int, err error) {
	switch {
	case len(p) > 0 && m.seals&writeSeals != 0:
		require.ErrorIs(m, err, unix.EPERM)
		require.Zero(m, n)
	case len(p) > 0 && m.seals&memfd.SealGrow != 0 && off+len(p) > len(m.bytes):
		require.ErrorIs(m, err, unix.EPERM)
		require.LessOrEqual(m, n, max(0, len(m.bytes)-off))
	default:
		require.NoError(m, err)
		require.Equal(m, len(p), n)
	}
	m.put(p[:n], off)
}

// refused compares the error of an operation that some seals forbid.
func (m *model) refused(forbid memfd.Seal, err error) bool {
	if m.seals&forbid == 0 {
		require.NoError(m, err)
		return false
	}
	require.ErrorIs(m, err, unix.EPERM)
	require.ErrorContains(m, err, "the file is sealed against it")
	return true
}

var operations = [...]func(m *model){
	func(m *model) { // Write
		if p := m.text(); m.at <= modelLimit {
			n, err := m.file.Write(p)
			m.wrote(p, m.at, n, err)
			m.at += n
		}
	},
	func(m *model) { // WriteAt
		p, off := m.text(), m.below(modelLimit)
		n, err := m.file.WriteAt(p, int64(off))
		m.wrote(p, off, n, err)
	},
	func(m *model) { // Read
		p, want := m.text(), m.from(m.at)
		n, err := m.file.Read(p)
		if len(p) > 0 && len(want) == 0 {
			require.Equal(m, io.EOF, err)
		} else {
			require.NoError(m, err)
		}
		require.Equal(m, min(len(p), len(want)), n)
		require.True(m, bytes.Equal(want[:n], p[:n]))
		m.at += n
	},
	func(m *model) { // ReadAt
		p, off := m.text(), m.below(modelLimit)
		want := m.from(off)
		n, err := m.file.ReadAt(p, int64(off))
		require.Equal(m, min(len(p), len(want)), n)
		if n < len(p) {
			require.Equal(m, io.EOF, err)
		} else {
			require.NoError(m, err)
		}
		require.True(m, bytes.Equal(want[:n], p[:n]))
	},
	func(m *model) { // Seek
		whence, target := int(m.byte())%3, m.below(modelLimit)
		origin := [...]int{0, m.at, len(m.bytes)}[whence]
		off, err := m.file.Seek(int64(target-origin), whence)
		require.NoError(m, err)
		require.EqualValues(m, target, off)
		m.at = target
	},
	func(m *model) { // Truncate
		n := m.below(modelLimit)
		var forbid memfd.Seal
		switch {
		case n < len(m.bytes):
			forbid = memfd.SealShrink
		case n > len(m.bytes):
			forbid = memfd.SealGrow
		}
		if !m.refused(forbid, m.file.Truncate(int64(n))) {
			m.resize(n)
		}
	},
	func(m *model) { // Allocate
		off, n := m.below(modelLimit), 1+m.below(modelLimit)
		var forbid memfd.Seal
		if off+n > len(m.bytes) {
			forbid = memfd.SealGrow
		}
		if !m.refused(forbid, m.file.Allocate(int64(off), int64(n))) {
			m.resize(max(len(m.bytes), off+n))
		}
	},
	func(m *model) { // PunchHole
		off, n := m.below(modelLimit), 1+m.below(modelLimit)
		if !m.refused(writeSeals, m.file.PunchHole(int64(off), int64(n))) {
			hole := m.from(off)
			clear(hole[:min(n, len(hole))])
		}
	},
	func(m *model) { // ReadFrom
		p := bytes.Repeat(m.text(), 1+int(m.byte())%8)
		if m.at > modelLimit {
			return
		}
		before := m.at
		n, err := m.file.ReadFrom(bytes.NewReader(p))
		if err == nil {
			require.EqualValues(m, len(p), n)
		}
		// The offset tells how many were written.
		m.at = int(offset(m.T, m.file))
		m.wrote(p, before, m.at-before, err)
	},
	func(m *model) { // WriteTo, some of it
		limit, want := m.below(modelLimit), m.from(m.at)
		w := &shortWriter{limit: limit}
		n, err := m.file.WriteTo(w)
		if len(want) > limit {
			require.Equal(m, io.ErrShortWrite, err)
			want = want[:limit]
		} else {
			require.NoError(m, err)
		}
		require.EqualValues(m, len(want), n)
		require.True(m, bytes.Equal(want, w.Bytes()))
		m.at += len(want)
	},
	func(m *model) { // Map, use and unmap
		off, n, prot := m.place()
		if n == 0 {
			return
		}
		p := m.text()
		if mapping := m.mapAt(off, n, prot); mapping != nil {
			if prot != memfd.ReadOnly {
				k := copy(mapping.Bytes(), p)
				if prot == memfd.ReadWrite {
					m.put(p[:k], off)
				}
			}
			require.NoError(m, mapping.Close())
		}
	},
	func(m *model) { // Map and keep it, or unmap
		if m.mapping != nil {
			require.NoError(m, m.mapping.Close())
			m.mapping = nil
			return
		}
		off, n, prot := m.place()
		if n == 0 || prot == memfd.CopyOnWrite {
			return
		}
		m.mapping, m.mapped, m.prot = m.mapAt(off, n, prot), off, prot
		m.busy = m.seals&writeSeals == 0
	},
	func(m *model) { // write through the mapping that stays
		p := m.text()
		if m.mapping != nil && m.prot == memfd.ReadWrite {
			there := min(len(m.from(m.mapped)), len(m.mapping.Bytes()))
			k := copy(m.mapping.Bytes()[:there], p)
			m.put(p[:k], m.mapped)
		}
	},
	func(m *model) { // Seal, one in a few
		seals := memfd.Seal(m.byte()) & modelSealed
		if m.byte() > 40 {
			return
		}
		err := m.file.Seal(seals)
		switch {
		case m.seals&memfd.SealSeal != 0:
			m.refused(memfd.SealSeal, err)
		case m.mapping != nil && seals&^m.seals&memfd.SealWrite != 0 &&
			(m.busy || err != nil && systest.OlderThan(m, 6, 7)): // see TestSealMappedUnderFutureWrite
			require.ErrorIs(m, err, unix.EBUSY)
		default:
			require.NoError(m, err)
			m.seals |= seals
		}
	},
	func(m *model) { // a second descriptor takes over
		d, err := m.file.Dup()
		require.NoError(m, err)
		require.NoError(m, m.file.Close())
		m.file = d
	},
	func(m *model) { // a reader
		f, err := m.file.ReopenReadOnly()
		require.NoError(m, err)
		text, err := io.ReadAll(f)
		require.NoError(m, err)
		require.True(m, bytes.Equal(m.bytes, text))
		require.NoError(m, f.Close())
	},
	func(m *model) { // Immutable
		const needed = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow
		got, err := m.file.Immutable()
		require.NoError(m, err)
		require.Equal(m, m.seals&needed == needed, got)
	},
}

// place chooses a part of the file to map, of no bytes where there are none.
func (m *model) place() (off, n int, prot memfd.Prot) {
	page := os.Getpagesize()
	off, n, prot = m.below(modelLimit/page+1)*page, m.below(modelLimit), memfd.Prot(m.byte()%3)
	if room := len(m.from(off)); room > 0 {
		return off, 1 + n%room, prot
	}
	return off, 0, prot
}

// mapAt maps, or returns nil where a seal forbids it.
func (m *model) mapAt(off, n int, prot memfd.Prot) *memfd.Mapping {
	mapping, err := m.file.Map(int64(off), n, prot)
	var forbid memfd.Seal
	if prot == memfd.ReadWrite {
		forbid = writeSeals
	}
	if m.refused(forbid, err) {
		return nil
	}
	require.True(m, bytes.Equal(m.bytes[off:off+n], mapping.Bytes()))
	return mapping
}
