package main

import (
	"time"

	"code.hybscloud.com/iofd/examples/internal/progress"
)

// A row is what was measured of every way, in each round.
type row struct {
	chunk  int
	bytes  int64 // sent in a round, 0 where messages went there and back
	rounds [][]time.Duration
}

// measure makes the rounds. The ways take turns, and turns at being the first, so that
// what slows the machine down for a while slows them all.
func measure(p *producer, o *options) (*report, error) {
	r := new(report)
	show := progress.New(time.Now())
	defer show.Clear()
	for _, chunk := range o.chunks {
		size := o.sizeFor(chunk)
		rounds, err := p.rounds(o.rounds, &show, inBytes(int64(chunk)), func(way int) (time.Duration, error) {
			return p.send(way, size, chunk)
		})
		if err != nil {
			return nil, err
		}
		r.rows = append(r.rows, row{chunk, size, rounds})
	}
	if o.trips > 0 {
		rounds, err := p.rounds(o.rounds, &show, "there and back", func(way int) (time.Duration, error) {
			return p.trip(way, o.trips, tripChunk)
		})
		if err != nil {
			return nil, err
		}
		r.rows = append(r.rows, row{chunk: tripChunk, rounds: rounds})
	}
	return r, nil
}

func (p *producer) rounds(n int, show *progress.Line, what string, once func(way int) (time.Duration, error)) ([][]time.Duration, error) {
	rounds := make([][]time.Duration, n)
	for i := range rounds {
		show.Show(time.Now(), "%s: round %d of %d", what, i+1, n)
		rounds[i] = make([]time.Duration, len(p.ways))
		p.source.next(1) // other bytes than in the last round
		for turn := range p.ways {
			way := (i + turn) % len(p.ways)
			took, err := once(way)
			if err != nil {
				return nil, err
			}
			rounds[i][way] = max(took, 1)
		}
	}
	return rounds, nil
}
