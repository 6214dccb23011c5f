package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"code.hybscloud.com/iofd/examples/internal/daemon"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
)

// The two processes talk over a socket that keeps messages apart. A message is a text with
// descriptors:
//
//	new: takeBy + WAY   its pidfd
//	old: stateFollows   its pidfd, and an eventfd for the new process to signal
//	     the state      a memfd, sent by MemFD.SendTo
//	     hereAre        up to mostRights descriptors, repeated for all of the state;
//	                    not sent if the new process takes them by pidfd
//
// The new process signals the eventfd when it is ready, and the old one ends. Instead of each of its
// messages the old process may send
//
//	old: no + REASON
//
// and go on. The old process ends without that message only after a handover or by a
// crash.
const (
	takeBy       = "take by "
	stateFollows = "state"
	hereAre      = "descriptors"
	no           = "no: "

	mostText   = 1000
	mostRights = 253 // SCM_MAX_FD
)

// send sends a message with descriptors, which stay the caller's.
func send(c *net.UnixConn, text string, fds ...*fd.FD) error {
	return fd.Send(c, []byte(text[:min(len(text), mostText)]), fds...)
}

// receive returns the next message, and the descriptors that came with it.
func receive(c *net.UnixConn) (text string, fds []*fd.FD, err error) {
	b := make([]byte, mostText)
	n, fds, err := fd.Receive(c, b, mostRights)
	return string(b[:n]), fds, err
}

// expect receives a message of the old process, and returns its descriptors.
func expect(c *net.UnixConn, want string) ([]*fd.FD, error) {
	text, fds, err := receive(c)
	switch {
	case err != nil:
		return nil, fmt.Errorf("nothing from the old process: %w", err)
	case text != want:
		closeAll(fds)
		return nil, unexpected(text)
	}
	return fds, nil
}

func unexpected(text string) error {
	if reason, ok := strings.CutPrefix(text, no); ok {
		return fmt.Errorf("the old process goes on: %s", reason)
	}
	return fmt.Errorf("%.40q from the old process", text)
}

func closeAll(fds []*fd.FD) {
	for _, f := range fds {
		_ = f.Close()
	}
}

const (
	stateVersion = 2
	mostState    = 1 << 30 // bytes
	mayNotChange = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow
)

// A state is all that a frozen server hands over, except the descriptors.
type state struct {
	Version     int
	Frozen      daemon.Instant
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
		Version: stateVersion, Frozen: daemon.Now(),
		Network: s.network, Address: s.address, Counters: s.counters,
		Descriptors: []int{daemon.Number(s.listener), daemon.Number(s.control)},
	}
	for c := range s.conns {
		st.Conns = append(st.Conns, c)
		st.Descriptors = append(st.Descriptors, daemon.Number(c))
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
