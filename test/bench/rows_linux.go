package main

import "slices"

// rows returns all rows, in the order of the table.
func rows() []row {
	return slices.Concat(
		eventfdRows(),
		wakerRows(),
		wakeRows(),
		timerfdRows(),
		fdRows(),
		signalfdRows(),
		pidfdRows(),
		memfdRows(),
		scaleRows(),
	)
}

func tallies() []tally { return []tally{first, lateness, wakes, memory} }
