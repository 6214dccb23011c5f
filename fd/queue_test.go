//go:build linux || darwin || freebsd

package fd

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The queue keeps the order of those who are in it, whoever leaves from where.
func TestQueue(t *testing.T) {
	var (
		q    queue
		want = []*follower{}
		all  [8]follower
	)
	for range 10_000 {
		w := &all[rand.N(len(all))]
		if i := slices.Index(want, w); i >= 0 {
			q.remove(w)
			want = slices.Delete(want, i, i+1)
		} else {
			q.push(w)
			want = append(want, w)
		}
		forth, back := []*follower{}, []*follower{}
		for w := q.first; w != nil; w = w.next {
			forth = append(forth, w)
		}
		for w := q.last; w != nil; w = w.prev {
			back = append(back, w)
		}
		slices.Reverse(back)
		require.Equal(t, want, forth)
		require.Equal(t, forth, back)
		for i := range all {
			require.Equal(t, slices.Contains(want, &all[i]), all[i].queued)
		}
	}
}
