package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/memfd"
	"code.hybscloud.com/iofd/test/internal/try"
)

const immutable = memfd.SealWrite | memfd.SealShrink | memfd.SealGrow

// memoryLife fills a file, seals it and sends it away. Several goroutines write a part
// each, while several read. The file is closed while it is read. The receiver must have
// every byte of it.
func memoryLife(a *account) {
	m := try.Get(memfd.New("soak", memfd.AllowSealing))
	defer m.Close()
	const part = 4096
	data := make([]byte, part*(1+rand.N(16)))
	for i := range data {
		data[i] = byte(1 + rand.N(255))
	}
	try.Check(m.Truncate(int64(len(data))))
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
		writing.do(1, func() {
			try.Get(m.WriteAt(data[off:off+part], int64(off)))
			a.calls.Add(1)
		})
	}
	var received *memfd.MemFD
	err := writing.wait()
	if err == nil {
		err = try.Run(func() { received = sealAndSend(m) })
	}
	try.Check(errors.Join(err, m.Close(), reading.wait()))
	defer received.Close()
	mapping := try.Get(received.Map(0, len(data), memfd.ReadOnly))
	defer mapping.Close()
	if !bytes.Equal(mapping.Bytes(), data) {
		try.Check(errors.New("the file that was received is another than the one that was sent"))
	}
	a.settle(uint64(len(data)), uint64(len(mapping.Bytes())))
}

func sealAndSend(m *memfd.MemFD) *memfd.MemFD {
	here, there := connections()
	defer here.Close()
	defer there.Close()
	err := m.Seal(immutable)
	for errors.Is(err, unix.EBUSY) { // a reader whose thread was preempted in read(2) holds a page
		moment()
		err = m.Seal(immutable)
	}
	try.Check(err)
	try.Check(m.SendTo(here))
	return try.Get(memfd.ReceiveFrom(there, immutable))
}
