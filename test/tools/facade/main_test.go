package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

// A library with a name for each rule.
const fixture = `
-- test/tools/facade/names.txt --
# A comment.
iface.Handle = Handle

fd.Handle - alias of iface.Handle
fd.FD = FD
fd.New = NewFD
fd.Send = Send
fd.WaitRead = WaitRead
eventfd.MaxValue = EventFDMaxValue
timerfd.Clock = Clock
timerfd.Boottime = ClockBoottime
timerfd.Monotonic = ClockMonotonic
timerfd.Plain = ClockPlain
timerfd.AtOption = TimerFDAtOption
timerfd.CancelOnSet = TimerFDCancelOnSet
pidfd.Info = Info
pidfd.PidFD = PidFD
pidfd.NamespaceKind = NamespaceKind
pidfd.NetNamespace = NetNamespace
pidfd.Start = StartPidFD
pidfd.OpenThread = OpenPidFDThread
memfd.Info = FileInfo
memfd.Option = MemFDOption
memfd.HugeTLB = MemFDHugeTLB
memfd.FromFD = MemFDFromFD
memfd.NewSealed = NewMemFDSealed
signalfd.Code = Code
signalfd.CodeUser = CodeUser
signalfd.NewCode = NewCode
signalfd.ErrGone = ErrGone
-- iface/iface.go --
package iface

// A Handle has a number. And more.
type Handle interface{ Fd() int }
-- fd/fd.go --
package fd

import (
	"context"

	"code.hybscloud.com/iofd/iface"
)

// Handle is the same.
type Handle = iface.Handle

// FD is a descriptor, see open(2).
type FD struct{}

func (f *FD) Method() {}

// New makes an FD.
func New(raw int) *FD { return nil }

// WaitRead calls try until [FD.Method] would not block.
func WaitRead[T any](ctx context.Context, f *FD, try func() (T, error)) (v T, err error) { return }
-- fd/fd_linux.go --
package fd

// Send sends descriptors: to another process.
func Send(n int, fds ...*FD) error { return nil }
-- fd/fd_windows.go --
package fd

type Absent int
-- eventfd/eventfd.go --
package eventfd

// MaxValue is the largest value.
const MaxValue = 1<<64 - 2

func unexported() {}
-- timerfd/timerfd_linux.go --
package timerfd

// Clock is a clock.
type Clock int

const (
	// Boottime is like [Monotonic], but New is not.
	Boottime Clock = iota
	Monotonic // CLOCK_MONOTONIC
	Plain
)

// AtOption is an option.
type AtOption int

// CancelOnSet is one.
const CancelOnSet AtOption = 1
-- timerfd/doc.go --
package timerfd
-- pidfd/pidfd.go --
package pidfd

import "os/exec"

// Info is about a process.
type Info struct{}

// PidFD is the handle.
type PidFD struct{}

// NamespaceKind is a kind.
type NamespaceKind int

// NetNamespace is one.
const NetNamespace NamespaceKind = 1

// Start starts cmd.
func Start(cmd *exec.Cmd) (*PidFD, error) { return nil, nil }

// OpenThread is like Start: for a thread, with so many more words that the sentence is not read any more by anybody with a sense of style, here.
func OpenThread(tid int) (*PidFD, error) { return nil, nil }
-- memfd/memfd.go --
package memfd

import "code.hybscloud.com/iofd/fd"

// Info is about a file.
type Info struct{}

// An Option is an option.
type Option interface{}

// HugeTLB makes one.
func HugeTLB(size int64) Option { return nil }

// FromFD adopts f.
func FromFD(f *fd.FD, opts ...Option) error { return nil }

// NewSealed has no result.
func NewSealed() {}
-- signalfd/signalfd.go --
package signalfd

import "errors"

// Code is a code.
type Code int

// CodeUser is one.
const CodeUser Code = 1

// NewCode makes one.
func NewCode() Code { return 0 }

// ErrGone says that it is gone.
var ErrGone = errors.New("gone")
`

func unpack(t *testing.T, edits ...string) (root string) {
	root = t.TempDir()
	files, err := txtar.FS(txtar.Parse([]byte(strings.NewReplacer(edits...).Replace(fixture))))
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(root, files))
	return root
}

func TestFiles(t *testing.T) {
	root := unpack(t)
	require.NoError(t, run(root, false))
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		return string(text)
	}
	for file, want := range map[string][]string{
		"iface.go": {"\n// Handle has a number. See [iface.Handle].\ntype Handle = iface.Handle\n"},
		"iofd.go": {
			"//go:build linux || darwin || freebsd\n\npackage iofd\n\nimport (\n\t\"context\"\n\n\t\"code.hybscloud.com/iofd/fd\"\n)\n",
			"// FD is a descriptor. See [fd.FD].\ntype FD = fd.FD\n",
			"// NewFD makes an FD. See [fd.New].\nfunc NewFD(raw int) *FD { return fd.New(raw) }\n",
			"// WaitRead calls try until [fd.FD.Method] would not block. See [fd.WaitRead].\n" +
				"func WaitRead[T any](ctx context.Context, f *FD, try func() (T, error)) (v T, err error) {\n\treturn fd.WaitRead(ctx, f, try)\n}\n",
		},
		"iofd_linux.go": {
			"func Send(n int, fds ...*FD) error { return fd.Send(n, fds...) }\n",
			"\tEventFDMaxValue = eventfd.MaxValue\n",
			"type Clock = timerfd.Clock\n\nconst (\n\t// ClockBoottime is like [ClockMonotonic], but New is not. See\n\t// [timerfd.Boottime].\n\tClockBoottime Clock = timerfd.Boottime\n",
			"\t// ClockMonotonic is CLOCK_MONOTONIC. See [timerfd.Monotonic].\n",
			"\t// ClockPlain is a [Clock]. See [timerfd.Plain].\n\tClockPlain Clock = timerfd.Plain\n",
			"\tTimerFDCancelOnSet TimerFDAtOption = timerfd.CancelOnSet\n",
			"type Info = pidfd.Info\n",
			"\tNetNamespace NamespaceKind = pidfd.NetNamespace\n",
			"func StartPidFD(cmd *exec.Cmd) (*PidFD, error) { return pidfd.Start(cmd) }\n",
			"// OpenPidFDThread is like StartPidFD. See [pidfd.OpenThread].\n",
			"// FileInfo is about a file. See [memfd.Info].\ntype FileInfo = memfd.Info\n",
			"// MemFDOption is an option. See [memfd.Option].\n",
			"func MemFDHugeTLB(size int64) MemFDOption { return memfd.HugeTLB(size) }\n",
			"func MemFDFromFD(f *FD, opts ...MemFDOption) error { return memfd.FromFD(f, opts...) }\n",
			"func NewMemFDSealed() { memfd.NewSealed() }\n",
			"\tCodeUser Code = signalfd.CodeUser\n",
			"func NewCode() Code { return signalfd.NewCode() }\n",
			"var ErrGone = signalfd.ErrGone\n",
		},
	} {
		for _, text := range want {
			assert.Contains(t, read(file), text, file)
		}
	}
	all := read("iface.go") + read("iofd.go") + read("iofd_linux.go")
	for _, absent := range []string{"fd.Handle", "Absent", "unexported"} {
		assert.NotContains(t, strings.ReplaceAll(all, "iface.Handle", ""), absent)
	}
	assert.NotContains(t, read("iofd.go"), "Send")
}

func TestProblems(t *testing.T) {
	for want, edits := range map[string][]string{
		"memfd.Info has no line in test/tools/facade/names.txt":                          {"memfd.Info = FileInfo", ""},
		`test/tools/facade/names.txt: "fd.Handle - alias of iface.Handle": no such name`: {"type Handle = iface.Handle", "var _ iface.Handle"},
		`test/tools/facade/names.txt: "fd.New NewFD": no such name`:                      {"fd.New = NewFD", "fd.New NewFD"},
		"pidfd.Start: the comment does not start with the name":                          {"// Start starts", "// It starts"},
		"expected 'IDENT'": {"package signalfd", "package"},
	} {
		assert.ErrorContains(t, run(unpack(t, edits...), false), want)
	}
}

// A name that is removed from the façade fails.
func TestCheck(t *testing.T) {
	root := unpack(t)
	require.NoError(t, run(root, false))
	require.NoError(t, run(root, true))

	path := filepath.Join(root, "iofd.go")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	after := strings.Replace(string(text), "func NewFD(raw int) *FD { return fd.New(raw) }\n", "", 1)
	require.NotEqual(t, string(text), after)
	require.NoError(t, os.WriteFile(path, []byte(after), 0o666))
	assert.ErrorContains(t, run(root, true), "iofd.go is not up to date")
}
