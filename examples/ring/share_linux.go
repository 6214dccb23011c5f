package main

import (
	"errors"
	"fmt"
	"os"

	"code.hybscloud.com/iofd/eventfd"
	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/pidfd"
)

// The seals that make the memory safe to map for a side that does not trust the other.
// The size is constant, so no access is a fault. No later seal forbids writing.
const seals = memfd.SealShrink | memfd.SealGrow | memfd.SealSeal

// A share is what the two sides of a ring have in common.
type share struct {
	memory  *memfd.MemFD
	mapping *memfd.Mapping   // nil until open if the other side has made the memory
	data    *eventfd.EventFD // there is something to read
	room    *eventfd.EventFD // there is room to write
}

// create makes the memory and the counters.
func (s *share) create(size int) (err error) {
	defer func() { err = s.orClose(err) }()
	if s.memory, s.mapping, err = memfd.NewShared("ring", headerSize+size); err != nil {
		return err
	}
	if err = s.memory.Seal(memfd.SealSeal); err != nil {
		return err
	}
	if s.data, err = eventfd.New(0); err != nil {
		return err
	}
	s.room, err = eventfd.New(0)
	return err
}

// receive takes over descriptors that come from the other side. It believes nothing
// that the kernel does not say of them. They are closed if it fails.
func (s *share) receive(memory, data, room *fd.FD) (err error) {
	defer func() {
		if err = s.orClose(err); err != nil {
			err = errors.Join(err, memory.Close(), data.Close(), room.Close())
		}
	}()
	if s.memory, err = memfd.FromFD(memory); err != nil {
		return fmt.Errorf("the memory of the ring: %w", err)
	}
	have, err := s.memory.Seals()
	if err != nil {
		return err
	}
	if have&seals != seals {
		return fmt.Errorf("the memory of the ring lacks the seals %v", seals&^have)
	}
	if s.data, err = eventfd.FromFD(data); err != nil {
		return fmt.Errorf("the counter of data: %w", err)
	}
	if s.room, err = eventfd.FromFD(room); err != nil {
		return fmt.Errorf("the counter of room: %w", err)
	}
	return nil
}

func (s *share) orClose(err error) error {
	if err != nil {
		err = errors.Join(err, s.close())
	}
	return err
}

// files returns duplicates of the descriptors, in the order of receive.
func (s *share) files() (files []*os.File, err error) {
	for _, file := range []func(string) (*os.File, error){s.memory.File, s.data.File, s.room.File} {
		f, err := file("ring")
		if err != nil {
			closeFiles(files)
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// close closes what no Writer or Reader has taken over.
func (s *share) close() error {
	defer func() { *s = share{} }()
	var errs []error
	if s.memory != nil {
		errs = append(errs, s.memory.Close())
	}
	if s.mapping != nil {
		errs = append(errs, s.mapping.Close())
	}
	for _, counter := range []*eventfd.EventFD{s.data, s.room} {
		if counter != nil {
			errs = append(errs, counter.Close())
		}
	}
	return errors.Join(errs...)
}

// writer returns the end that writes. It waits no longer than the other
// side lives. The Writer then owns what the share had.
func (s *share) writer(peer *pidfd.PidFD) (*Writer, error) {
	w := new(Writer)
	if err := s.open(peer, &w.end); err != nil {
		return nil, err
	}
	w.mine, w.theirs = w.header.writer, w.header.reader
	w.wake, w.tell = s.room, s.data
	*s = share{}
	return w, nil
}

// reader returns the end that reads, as writer does the other.
func (s *share) reader(peer *pidfd.PidFD) (*Reader, error) {
	r := new(Reader)
	if err := s.open(peer, &r.end); err != nil {
		return nil, err
	}
	r.mine, r.theirs = r.header.reader, r.header.writer
	r.wake, r.tell = s.data, s.room
	*s = share{}
	return r, nil
}

func (s *share) open(peer *pidfd.PidFD, e *end) error {
	total, err := s.memory.Size()
	if err != nil {
		return err
	}
	size := total - headerSize
	if size < minRing || size > maxRing || size&(size-1) != 0 {
		return fmt.Errorf("a ring of %d bytes: not a power of two from %d to %d", size, minRing, maxRing)
	}
	e.peer = peer
	if s.mapping == nil {
		if s.mapping, err = s.memory.Map(0, int(total), memfd.ReadWrite); err != nil {
			return err
		}
	}
	e.mapping = s.mapping
	e.patience = leastPatience
	e.header, e.bytes = split(e.mapping)
	return s.memory.Close() // the mapping needs it no more
}
