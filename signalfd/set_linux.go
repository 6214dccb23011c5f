package signalfd

import (
	"iter"
	"math/bits"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Set is a set of signals, see sigsetops(3). Signal n, from 1 to 64, is bit n-1,
// as in the SigBlk line of proc_pid_status(5). The zero Set is empty, and Sets
// combine with |, & and &^.
type Set uint64

// maxSignal is the highest signal. MIPS alone has higher ones, which have no
// place in a Set.
const maxSignal = 64

// NewSet returns the set of the given signals. Numbers that are no signals, that
// is, below 1 or over 64, are left out, as [Set.Add] does.
func NewSet(sigs ...syscall.Signal) Set {
	var s Set
	s.Add(sigs...)
	return s
}

// Add adds signals to the set. There is no room in a Set for numbers below 1 or
// over 64: they change nothing, and [Set.Has] then reports false.
func (s *Set) Add(sigs ...syscall.Signal) {
	for _, sig := range sigs {
		*s |= bit(sig)
	}
}

// Del takes signals out of the set. Signals that are not in it change nothing.
func (s *Set) Del(sigs ...syscall.Signal) {
	for _, sig := range sigs {
		*s &^= bit(sig)
	}
}

// Has reports whether sig is in the set.
func (s Set) Has(sig syscall.Signal) bool { return s&bit(sig) != 0 }

// Empty reports whether the set has no signal.
func (s Set) Empty() bool { return s == 0 }

// Signals returns the signals of the set in ascending order.
func (s Set) Signals() []syscall.Signal { return slices.Collect(s.all()) }

// String returns the signals of the set, those without a name as a number:
// "{SIGHUP SIGTERM 34}".
func (s Set) String() string {
	var names []string
	for sig := range s.all() {
		names = append(names, signalName(sig))
	}
	return "{" + strings.Join(names, " ") + "}"
}

func bit(sig syscall.Signal) Set {
	if sig < 1 || sig > maxSignal {
		return 0
	}
	return 1 << (sig - 1)
}

func (s Set) all() iter.Seq[syscall.Signal] {
	return func(yield func(syscall.Signal) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(syscall.Signal(bits.TrailingZeros64(uint64(s)) + 1)) {
				return
			}
		}
	}
}

// sigset returns the set as the system calls want it.
func (s Set) sigset() *unix.Sigset_t {
	m := new(unix.Sigset_t)
	putWords(m.Val[:], s)
	return m
}

// setOf returns the signals of m.
func setOf(m *unix.Sigset_t) Set { return words(m.Val[:]) }

// A sigset_t is an array of the machine's words, the lowest signals in the
// first: one word, or two of 32 bits, make a Set.

const sigsetBits = 1024

func putWords[W uint32 | uint64](val []W, s Set) {
	wordBits := sigsetBits / len(val)
	for i := range maxSignal / wordBits {
		val[i] = W(s >> (i * wordBits))
	}
}

func words[W uint32 | uint64](val []W) Set {
	var s Set
	wordBits := sigsetBits / len(val)
	for i := range maxSignal / wordBits {
		s |= Set(val[i]) << (i * wordBits)
	}
	return s
}
