package trace

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestListenerHearsUntilNil(t *testing.T) {
	var heard []int
	Listen(func(e Event, number int) { heard = append(heard, int(e), number) })
	Tell(Owned, 7)
	Listen(nil)
	Tell(Gone, 7)
	assert.Equal(t, []int{int(Owned), 7}, heard)
}
