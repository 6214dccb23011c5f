package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

const (
	stateVersion = 2
	mostState    = 1 << 30 // bytes
	mayNotChange = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow
)

// A state is all that a frozen server hands over, except the descriptors.
type state struct {
	Version     int
	Frozen      instant
	Address     string
	Network     string
	Counters    map[string]uint64
	Descriptors []int // their numbers: the listening socket, the control socket, the connections
	Conns       []*conn
}

// state returns what a frozen server has to hand over. The descriptors stay its own, so the
// FDs are never closed.
func (s *server) state() (*state, []*fd.FD) {
	st := &state{
		Version: stateVersion, Frozen: now(),
		Network: s.network, Address: s.address, Counters: s.counters,
		Descriptors: []int{number(s.listener), number(s.control)},
	}
	for c := range s.conns {
		st.Conns = append(st.Conns, c)
		st.Descriptors = append(st.Descriptors, number(c))
	}
	var fds []*fd.FD
	for _, number := range st.Descriptors {
		fds = append(fds, fd.New(number))
	}
	return st, fds
}

// seal puts the state into a file that no process can change any more.
func (st *state) seal() (*memfd.MemFD, error) {
	text, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	return memfd.NewSealed("handover-state", text)
}

// readState reads the state from a file that cannot change.
func readState(m *memfd.MemFD) (*state, error) {
	size, err := m.Size()
	switch {
	case err != nil:
		return nil, err
	case size == 0 || size > mostState:
		return nil, fmt.Errorf("a state of %d bytes", size)
	}
	mapping, err := m.Map(0, int(size), memfd.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer mapping.Close()
	st := new(state)
	// The server cannot continue a state with unknown fields.
	decoder := json.NewDecoder(bytes.NewReader(mapping.Bytes()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(st); err != nil {
		return nil, fmt.Errorf("the state: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("the state has something behind it")
	}
	switch {
	case st.Version != stateVersion:
		return nil, fmt.Errorf("the state is of version %d, not %d", st.Version, stateVersion)
	case len(st.Descriptors) != 2+len(st.Conns):
		return nil, fmt.Errorf("the state has %d descriptors for %d connections", len(st.Descriptors), len(st.Conns))
	}
	for i, c := range st.Conns {
		if c == nil {
			return nil, fmt.Errorf("the state has nothing about connection %d", i)
		}
	}
	return st, nil
}

// An instant is a time of CLOCK_MONOTONIC, which both processes of a handover read and
// which no process can set. A time.Time loses its monotonic part on the way.
type instant time.Duration

func now() instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // Linux always has the clock
	}
	return instant(t.Nano())
}

func (i instant) add(d time.Duration) instant { return i + instant(d) }
func (i instant) until() time.Duration        { return time.Duration(i - now()) }
func (i instant) since() time.Duration        { return time.Duration(now() - i) }
