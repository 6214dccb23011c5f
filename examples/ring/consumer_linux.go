package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"code.hybscloud.com/iofd/fd"
	"code.hybscloud.com/iofd/pidfd"
)

// consumerCommand is the one word on the consumer's command line.
const consumerCommand = "consumer"

// firstFile is the number of the first of exec.Cmd.ExtraFiles: the producer's pidfd.
// Those of the ways follow.
const firstFile = 3

// A task is what the producer tells the consumer on its standard input: so many bytes
// come by that way.
type task struct {
	Way   int
	Bytes int64
	Chunk int
	Echo  bool // send each chunk back
}

// An answer tells what has come.
type answer struct {
	Bytes int64
	Sum   uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// runConsumer is the process that the producer starts.
func runConsumer() int {
	if err := consume(os.Stdin, os.Stdout); err != nil {
		return fail(fmt.Errorf("consumer: %w", err), statusFailed)
	}
	return 0
}

func consume(tasks io.Reader, answers io.Writer) error {
	producer, err := pidfd.FromFD(fd.New(firstFile))
	if err != nil {
		return fmt.Errorf("not started by a producer: %w", err)
	}
	defer producer.Close()
	ways, err := receiveWays(producer, firstFile+1)
	if err != nil {
		return err
	}
	err = serve(ways, gob.NewDecoder(tasks), gob.NewEncoder(answers))
	if err != nil && ended(producer) {
		err = errors.New("the producer has ended")
	}
	return errors.Join(err, closeWays(ways))
}

// serve does tasks until the producer says by the end of them that there are no more.
func serve(ways []*way, tasks *gob.Decoder, answers *gob.Encoder) error {
	for {
		var t task
		err := tasks.Decode(&t)
		if err == io.EOF {
			return nil
		}
		if err == nil && (t.Way < 0 || t.Way >= len(ways) || t.Chunk < 1 || t.Chunk > maxChunk) {
			err = fmt.Errorf("not a task: %+v", t)
		}
		if err != nil {
			return err
		}
		take := (*way).take
		if t.Echo {
			take = (*way).echo
		}
		a, err := take(ways[t.Way], &t)
		if err == nil {
			err = answers.Encode(a)
		}
		if err != nil {
			return err
		}
	}
}

// readSize is the least size of the consumer's buffer: messages may be small, but it
// takes as many at a time as there are.
const readSize = 64 << 10

// take reads the bytes of a task.
func (w *way) take(t *task) (a answer, err error) {
	buf := make([]byte, max(t.Chunk, readSize))
	for a.Bytes < t.Bytes {
		n, err := w.Read(buf[:min(int64(len(buf)), t.Bytes-a.Bytes)])
		a.Bytes += int64(n)
		a.Sum = crc32.Update(a.Sum, castagnoli, buf[:n])
		if err != nil {
			return a, unexpected(err)
		}
	}
	return a, nil
}

// echo sends each chunk back.
func (w *way) echo(t *task) (a answer, err error) {
	buf := make([]byte, t.Chunk)
	for a.Bytes < t.Bytes {
		if _, err := io.ReadFull(w, buf); err != nil {
			return a, unexpected(err)
		}
		if _, err := w.Write(buf); err != nil {
			return a, err
		}
		a.Bytes += int64(len(buf))
		a.Sum = crc32.Update(a.Sum, castagnoli, buf)
	}
	return a, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
