package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
)

const immutable = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow

// memoryLife fills a file, seals it and sends it away. Several goroutines write a part
// each, while several read. The file is closed while it is read. The receiver must have
// every byte of it.
func memoryLife(a *account) error {
	m, err := memfd.New("soak", memfd.AllowSealing)
	if err != nil {
		return err
	}
	defer m.Close()
	const part = 4096
	data := make([]byte, part*(1+rand.N(16)))
	for i := range data {
		data[i] = byte(1 + rand.N(255))
	}
	if err := m.Truncate(int64(len(data))); err != nil {
		return err
	}
	reading := a.receive(3, func(context.Context) error {
		off := rand.N(len(data)/part) * part
		buf := make([]byte, part)
		if _, err := m.ReadAt(buf, int64(off)); err != nil {
			return err
		}
		for i, b := range buf {
			if b != 0 && b != data[off+i] {
				return errors.New("what was read was never written")
			}
		}
		moment()
		return nil
	})
	var writing group
	for off := 0; off < len(data); off += part {
		writing.do(1, func() error {
			_, err := m.WriteAt(data[off:off+part], int64(off))
			a.calls.Add(1)
			return err
		})
	}
	if err := writing.wait(); err != nil {
		return errors.Join(err, m.Close(), reading.wait())
	}
	received, err := sealAndSend(m)
	err = errors.Join(err, m.Close(), reading.wait())
	if err != nil {
		return err
	}
	defer received.Close()
	mapping, err := received.Map(0, len(data), memfd.ReadOnly)
	if err != nil {
		return err
	}
	defer mapping.Close()
	if !bytes.Equal(mapping.Bytes(), data) {
		return errors.New("the file that was received is another than the one that was sent")
	}
	return a.settle(uint64(len(data)), uint64(len(mapping.Bytes())))
}

func sealAndSend(m *memfd.MemFD) (*memfd.MemFD, error) {
	here, there, err := connections()
	if err != nil {
		return nil, err
	}
	defer here.Close()
	defer there.Close()
	// A reader whose thread the kernel has put aside in read(2) holds a page.
	for err = m.Seal(immutable); errors.Is(err, unix.EBUSY); err = m.Seal(immutable) {
		moment()
	}
	if err := errors.Join(err, m.SendTo(here)); err != nil {
		return nil, err
	}
	return memfd.ReceiveFrom(there, immutable)
}
