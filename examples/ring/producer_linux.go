package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/pidfd"
)

// A producer has a consumer, and sends by each of the ways what that takes.
type producer struct {
	cmd   *exec.Cmd
	child *pidfd.PidFD
	ways  []*way

	stdin   io.WriteCloser
	tasks   *gob.Encoder
	answers *gob.Decoder

	source source
}

// startConsumer starts this program again as the consumer.
func startConsumer(ringSize int) (p *producer, err error) {
	s, err := newSetup(ringSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p = &producer{source: newSource()}
	if err := p.start(s.theirs); err != nil {
		return nil, err
	}
	if p.ways, err = s.ways(p.child); err != nil {
		return nil, p.abandon(err)
	}
	return p, nil
}

// start gives the consumer the files, and first of all a pidfd of this process. If the
// consumer opened one by PID, the PID could be another process's by then.
func (p *producer) start(files []*os.File) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	us, err := pidfd.Self()
	if err != nil {
		return err
	}
	defer us.Close()
	ourFile, err := us.File("pidfd")
	if err != nil {
		return err
	}
	defer ourFile.Close()
	p.cmd = exec.Command(self, consumerCommand)
	p.cmd.ExtraFiles = append([]*os.File{ourFile}, files...)
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.tasks, p.answers = gob.NewEncoder(p.stdin), gob.NewDecoder(stdout)
	p.child, err = pidfd.Start(p.cmd)
	if err != nil && p.cmd.Process != nil { // it runs, but there is no pidfd for us
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	return err
}

// close has the consumer end, and returns how it did if not well.
func (p *producer) close() error {
	closeErr := errors.Join(p.stdin.Close(), closeWays(p.ways))
	status, err := p.child.WaitContext(context.Background())
	_ = p.cmd.Wait() // its status is known
	err = errors.Join(err, p.child.Close())
	if err == nil && !status.Success() {
		return fmt.Errorf("the consumer has ended: %v", status)
	}
	return errors.Join(err, closeErr)
}

// abandon ends the consumer after an error, which it returns. If the consumer has ended
// itself, that is the reason, and abandon returns its status.
func (p *producer) abandon(err error) error {
	if ended(p.child) {
		if closeErr := p.close(); closeErr != nil {
			return closeErr
		}
		return err
	}
	_ = p.child.SendSignal(unix.SIGKILL)
	_ = p.close()
	return err
}

// send times so many bytes on a way, from the first until the consumer has said that
// it has them all.
func (p *producer) send(way int, bytes int64, chunk int) (time.Duration, error) {
	sum := p.source.sum(bytes)
	if err := p.tasks.Encode(task{Way: way, Bytes: bytes, Chunk: chunk}); err != nil {
		return 0, err
	}
	start := time.Now()
	at := p.source
	for left := bytes; left > 0; {
		b := at.next(int(min(int64(chunk), left)))
		if _, err := p.ways[way].Write(b); err != nil {
			return 0, err
		}
		left -= int64(len(b))
	}
	err := p.check(answer{bytes, sum})
	return time.Since(start), err
}

// trip times one message there and back, of so many.
func (p *producer) trip(way int, trips int64, chunk int) (time.Duration, error) {
	sum := p.source.sum(trips * int64(chunk))
	if err := p.tasks.Encode(task{Way: way, Bytes: trips * int64(chunk), Chunk: chunk, Echo: true}); err != nil {
		return 0, err
	}
	buf := make([]byte, chunk)
	at := p.source
	start := time.Now()
	for i := range trips {
		if i == 1 {
			start = time.Now() // the first finds the consumer busy with the task
		}
		if _, err := p.ways[way].Write(at.next(chunk)); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(p.ways[way], buf); err != nil {
			return 0, unexpected(err)
		}
	}
	took := time.Since(start)
	return took / time.Duration(max(trips-1, 1)), p.check(answer{trips * int64(chunk), sum})
}

// check waits for the consumer's answer, which must be this.
func (p *producer) check(want answer) error {
	var got answer
	if err := p.answers.Decode(&got); err != nil {
		return unexpected(err)
	}
	if got != want {
		return fmt.Errorf("the consumer got %d bytes with the checksum %08x, and was sent %d with %08x", got.Bytes, got.Sum, want.Bytes, want.Sum)
	}
	return nil
}

// A source gives chunks of bytes that look random, and repeats them. The period is no multiple
// of a power of two, so old bytes in a ring are wrong at every place.
type source struct {
	bytes []byte // a period, and what the longest chunk needs of the next
	at    int
}

const period = 65521 // a prime

func newSource() source {
	s := source{bytes: make([]byte, period+maxChunk)}
	random := uint32(1)
	for i := range s.bytes {
		if i >= period {
			s.bytes[i] = s.bytes[i-period]
			continue
		}
		random = random*1664525 + 1013904223
		s.bytes[i] = byte(random >> 24)
	}
	return s
}

func (s *source) next(n int) []byte {
	b := s.bytes[s.at : s.at+n]
	s.at = (s.at + n) % period
	return b
}

// sum returns the checksum of the next so many bytes.
func (s source) sum(bytes int64) (sum uint32) {
	for bytes > 0 {
		b := s.next(int(min(bytes, maxChunk)))
		sum = crc32.Update(sum, castagnoli, b)
		bytes -= int64(len(b))
	}
	return sum
}
