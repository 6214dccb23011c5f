package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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

// state returns what a frozen server has to hand over. The descriptors stay its own.
func (s *server) state() (*state, []*fd.FD) {
	st := &state{
		Version: stateVersion, Frozen: now(),
		Network: s.network, Address: s.address, Counters: s.counters,
	}
	fds := []*fd.FD{s.listener, s.control}
	for c := range s.conns {
		st.Conns = append(st.Conns, c)
		fds = append(fds, c.FD)
	}
	for _, f := range fds {
		st.Descriptors = append(st.Descriptors, f.Fd())
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

// restore gives the state and its descriptors to a server that has nothing yet.
func (s *server) restore(st *state, fds []*fd.FD) error {
	if most := s.mostConns; len(st.Conns) > most {
		return fmt.Errorf("%s need more descriptors than RLIMIT_NOFILE allows, which has room for %d", counted(len(st.Conns), "connection"), most)
	}
	for _, f := range fds[:2] {
		if listens, err := unix.GetsockoptInt(f.Fd(), unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
			return fmt.Errorf("%v is no socket that listens", f)
		}
	}
	s.network, s.address = st.Network, st.Address
	s.listener, s.control = fds[0], fds[1]
	if st.Counters != nil { // JSON may have null
		s.counters = st.Counters
	}
	for i, c := range st.Conns {
		c.FD = fds[2+i]
		s.conns[c] = struct{}{}
	}
	return s.openDoor()
}
