package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"code.hybscloud.com/iofd/examples/internal/flags"
)

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
