package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"code.hybscloud.com/iofd/examples/internal/flags"
)

const help = `usage: ring [flags]

Starts itself again and sends bytes to that process in three ways: through a ring in
shared memory, a pipe and a Unix socket. Prints how fast each was, and by how much
the ring was faster. The consumer computes a checksum of all that comes, which is
compared with that of what was sent.

  -chunk LIST  sizes of what is written at a time, with commas between them
               (64,4KiB,64KiB)
                   ring -chunk 1500
  -size N      bytes that each way takes in a round (64MiB, but no more than 65536
               chunks of them)
                   ring -size 1GiB -rounds 5
  -rounds N    rounds: in each, every way has its turn (25)
                   ring -rounds 100
  -trips N     messages of 64 bytes that go there and back in a round. Each waits for
               the one before it. 0 is none. (1000)
                   ring -trips 0
  -ring N      the size of the ring, a power of two from 4KiB to 1GiB (256KiB)
                   ring -ring 64KiB
  -h           print this

N is a whole number, and for bytes may have KiB, MiB or GiB after it.

The figures are the median of the rounds, and the quartiles. "Ring faster by" has
those of the ratios within each round. So a machine that is slow for a while
changes them little.

Threads that block in the kernel read and write the pipe and the socket, because that is
faster here than the runtime's poller. The pipe is as large as the ring if the system
allows it. All are read with buffers of 64KiB or the size of -chunk.

A side of the ring that has to wait looks at the ring for up to 100 µs, if its last waits
were short. Then it sleeps. If the other side has no processor of its own, it looks
less and less often. A side that waits for rare events only sleeps.

At a terminal, ring shows the round that it is in.

exit status: 0 when all bytes have come; 1 when that failed, as when either process
was killed; 2 when the command line is wrong.
`

const (
	maxChunk  = 16 << 20
	maxSize   = 1 << 40
	maxRounds = 1_000_000

	tripChunk = 64
)

type options struct {
	chunks []int
	size   int64 // 0 for what defaultSize says
	rounds int
	trips  int64
	ring   int
}

// sizeFor returns how many bytes are written in a round.
func (o *options) sizeFor(chunk int) int64 {
	if o.size > 0 {
		return o.size
	}
	return min(64<<20, 65536*int64(chunk))
}

// parse reads the command line. Its errors are one line, and name what is wrong.
func parse(args []string) (*options, error) {
	o := &options{chunks: []int{64, 4 << 10, 64 << 10}, rounds: 25, trips: 1000, ring: 256 << 10}
	set := flags.New("ring")
	flags.Var(set, "chunk", &o.chunks, parseChunks)
	flags.Var(set, "size", &o.size, func(text string) (int64, error) { return parseBytes(text, 1, maxSize) })
	flags.Var(set, "rounds", &o.rounds, flags.Count(1, maxRounds))
	flags.Var(set, "trips", &o.trips, flags.Count[int64](0, math.MaxInt32))
	flags.Var(set, "ring", &o.ring, parseRing)
	_, err := set.Parse(args)
	return o, err
}

func parseChunks(text string) (chunks []int, err error) {
	for one := range strings.SplitSeq(text, ",") {
		n, err := parseBytes(one, 1, maxChunk)
		if err != nil {
			return nil, err
		}
		chunks = append(chunks, int(n))
	}
	return chunks, nil
}

func parseRing(text string) (int, error) {
	n, err := parseBytes(text, minRing, maxRing)
	if err == nil && n&(n-1) != 0 {
		err = errors.New("not a power of two")
	}
	return int(n), err
}

var units = []struct {
	name  string
	shift int
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}}

func parseBytes(text string, least, most int64) (int64, error) {
	number, shift := text, 0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, shift = rest, u.shift
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > most>>shift || n<<shift < least {
		return 0, fmt.Errorf("not a number of bytes from %s to %s", inBytes(least), inBytes(most))
	}
	return n << shift, nil
}

// inBytes writes a size as parseBytes reads it.
func inBytes(n int64) string {
	for _, u := range units {
		if n > 0 && n%(1<<u.shift) == 0 {
			return fmt.Sprintf("%d%s", n>>u.shift, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}
