package signalfd

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A record of any content is read as the layout of golang.org/x/sys has it.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(bytes.Repeat([]byte{0xff}, recordSize))
	for _, code := range []int32{0, -1, -6, 1, 6, 0x80, -0x10000, -0x10006, 5 - 0x10000, 0x80 - 0x20000, -1 << 31, 1<<31 - 1} {
		for _, sig := range []unix.Signal{unix.SIGCHLD, 41} {
			r := new(record)
			binary.NativeEndian.PutUint32(r[offSigno:], uint32(sig))
			binary.NativeEndian.PutUint32(r[offCode:], uint32(code))
			r[offPID], r[offInt] = 1, 3
			f.Add(r[:])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := new(record)
		copy(r[:], data)
		var raw unix.SignalfdSiginfo
		require.NoError(t, binary.Read(bytes.NewReader(r[:]), binary.NativeEndian, &raw))
		info := r.info()
		require.Equal(t, Info{
			Signal: syscall.Signal(raw.Signo), Errno: syscall.Errno(uint32(raw.Errno)), Code: Code(raw.Code),
			PID: int(int32(raw.Pid)), UID: int(raw.Uid), FD: int(raw.Fd), TID: int(int32(raw.Tid)),
			Band: raw.Band, Overrun: int(raw.Overrun), TrapNo: int(raw.Trapno), Status: int(raw.Status), Int: int(raw.Int),
			Ptr: raw.Ptr, UTime: time.Duration(raw.Utime) * 10 * time.Millisecond, STime: time.Duration(raw.Stime) * 10 * time.Millisecond,
			Addr: raw.Addr, AddrLSB: int(raw.Addr_lsb), Syscall: int(raw.Syscall), CallAddr: raw.Call_addr, Arch: raw.Arch,
		}, info)
		assert.NotEmpty(t, info.String())
	})
}

// A Set behaves as a map of the numbers from 1 to 64 does.
func FuzzSet(f *testing.F) {
	f.Add([]byte{0, 9, 0, 64, 1, 9, 2, 64})
	f.Add([]byte{0, 0, 0, 65, 0, 255, 1, 65, 3, 1})
	f.Add([]byte{4, 7, 5, 7, 6, 7, 0, 7, 6, 7})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var s Set
		model := make(map[syscall.Signal]bool)
		put := func(sig syscall.Signal, in bool) {
			if sig >= 1 && sig <= 64 && in {
				model[sig] = true
			} else {
				delete(model, sig)
			}
		}
		for len(ops) >= 2 {
			op, sig := ops[0]%7, syscall.Signal(int8(ops[1]))
			ops = ops[2:]
			other := NewSet(sig, sig+1, sig+7)
			switch op {
			case 0:
				s.Add(sig)
				put(sig, true)
			case 1:
				s.Del(sig)
				put(sig, false)
			case 2:
				s.Add(sig, sig, sig+32)
				put(sig, true)
				put(sig+32, true)
			case 3:
				s.Del(sig, sig+32)
				put(sig, false)
				put(sig+32, false)
			case 4:
				s |= other
				for _, sig := range other.Signals() {
					put(sig, true)
				}
			case 5:
				s &^= other
				for _, sig := range other.Signals() {
					put(sig, false)
				}
			case 6:
				s &= other
				for sig := range model {
					put(sig, other.Has(sig))
				}
			}
			var want []syscall.Signal
			for sig := syscall.Signal(-128); sig < 200; sig++ {
				require.Equal(t, model[sig], s.Has(sig), int(sig))
				if model[sig] {
					want = append(want, sig)
				}
			}
			got := s.Signals()
			require.True(t, slices.Equal(want, got), "%v, not %v", got, want)
			require.Equal(t, len(want) == 0, s.Empty())
			require.Equal(t, s, NewSet(got...))
			require.Equal(t, s, setOf(s.sigset()))
			require.Len(t, strings.Fields(s.String()), max(1, len(want)))
		}
	})
}

// A mask is read as /proc shows it, and nothing else upsets the reader. So is a
// marker.
func FuzzMask(f *testing.F) {
	f.Add("0000000000000200", uint64(0))
	f.Add("Name:\tx\nSigBlk:\t8000000000000000\n", ^uint64(0))
	f.Add("SigBlk:", uint64(1))
	f.Add("4711:\x00:", uint64(1<<63))
	f.Fuzz(func(t *testing.T, text string, mask uint64) {
		_ = parseMask(text)
		_ = blocked(text)
		if !strings.Contains(text, "\x00") {
			t.Setenv(markerName, text)
			_ = takeMarker()
		}
		name, value, _ := strings.Cut(marker(Set(mask), "a:name"), "=")
		t.Setenv(name, value)
		assert.Equal(t, Set(mask), takeMarker())
		assert.Empty(t, takeMarker(), "it is taken out")
		t.Setenv(name, "0"+value)
		assert.Empty(t, takeMarker(), "of another process")
		hex := strings.Split(value, ":")[1]
		assert.Equal(t, Set(mask), parseMask(hex))
		assert.Equal(t, Set(mask), blocked("State:\tR\nSigBlk:\t"+hex+"\nSigIgn:\t0\n"))
	})
}
