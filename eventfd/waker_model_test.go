//go:build linux

package eventfd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The model has the steps of Wake and Drain, in the same order. Two goroutines add work
// and call Wake twice each. A third party writes to the eventfd once. The loop drains
// when the number is readable, and once for no reason.

// A wakerModel is the state between two steps. It is comparable, so each state is tried
// once.
type wakerModel struct {
	value, work int  // of the eventfd, and of the queue
	woken       bool // of the Waker
	wakers      [2]struct{ at, left int }
	loop        int
	otherWrites int
	extraDrains int
}

// The faulty variants.
const (
	asItIs           = ""
	clearThenRead    = "Drain clears woken before it reads"
	lookThenDrain    = "the loop looks for work before it drains"
	writeThenSet     = "Wake sets woken after it has written"
	addAfterWake     = "work becomes visible after Wake"
	setWithoutWrite  = "Wake sets woken and relies on the work of the loop"
	neverCleared     = "Drain does not clear woken"
	clearIfItHasRead = "Drain clears woken only if it has read something"
)

// steps returns the states that one step of a goroutine leads to.
func (m wakerModel) steps(variant string) (next []wakerModel) {
	for i := range m.wakers {
		if m.wakers[i].left > 0 {
			next = append(next, m.wake(i, variant))
		}
	}
	if m.otherWrites > 0 {
		n := m
		n.otherWrites--
		n.value++
		next = append(next, n)
	}
	return append(next, m.drain(variant)...)
}

func (m wakerModel) wake(i int, variant string) wakerModel {
	w := &m.wakers[i]
	order := []string{"add", "load", "swap", "write"}
	switch variant {
	case addAfterWake:
		order = []string{"load", "swap", "write", "add"}
	case writeThenSet:
		order = []string{"add", "load", "write", "swap"}
	case setWithoutWrite:
		order = []string{"add", "load", "swap"}
	}
	step := order[w.at]
	w.at++
	switch {
	case step == "add":
		m.work++
	case step == "load" && m.woken, step == "swap" && m.woken && variant != writeThenSet:
		w.at = len(order)
		if variant == addAfterWake {
			w.at--
		}
	case step == "swap":
		m.woken = true
	case step == "write":
		m.value++
	}
	if w.at == len(order) {
		w.at = 0
		w.left--
	}
	return m
}

func (m wakerModel) drain(variant string) []wakerModel {
	order := []string{"poll", "read", "clear", "look"}
	switch variant {
	case clearThenRead:
		order = []string{"poll", "clear", "read", "look"}
	case lookThenDrain:
		order = []string{"poll", "look", "read", "clear"}
	case neverCleared:
		order = []string{"poll", "read", "look"}
	}
	switch order[m.loop] {
	case "poll":
		if m.value == 0 {
			if m.extraDrains == 0 {
				return nil // it sleeps
			}
			m.extraDrains--
		}
	case "read":
		if m.value == 0 && variant == clearIfItHasRead {
			m.loop++
		}
		m.value = 0
	case "clear":
		m.woken = false
	case "look":
		m.work = 0
	}
	m.loop = (m.loop + 1) % len(order)
	return []wakerModel{m}
}

// lost reports whether an end state has work that the loop sleeps over, and the number
// of states.
func lost(variant string) (bool, int) {
	start := wakerModel{otherWrites: 1, extraDrains: 1}
	for i := range start.wakers {
		start.wakers[i].left = 2
	}
	seen := map[wakerModel]bool{start: true}
	for queue := []wakerModel{start}; len(queue) > 0; queue = queue[1:] {
		next := queue[0].steps(variant)
		if len(next) == 0 && queue[0].work > 0 {
			return true, len(seen)
		}
		for _, n := range next {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	return false, len(seen)
}

// No interleaving loses a wake-up, and each faulty variant loses one.
func TestWakerModel(t *testing.T) {
	for variant, want := range map[string]bool{
		asItIs:           false,
		clearThenRead:    true,
		lookThenDrain:    true,
		writeThenSet:     true,
		addAfterWake:     true,
		setWithoutWrite:  true,
		neverCleared:     true,
		clearIfItHasRead: false, // a Wake that has set woken is about to write
	} {
		got, states := lost(variant)
		assert.Equal(t, want, got, "%q, %d states", variant, states)
		assert.Greater(t, states, 100, variant)
	}
}
