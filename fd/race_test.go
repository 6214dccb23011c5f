//go:build race

package fd_test

const raceEnabled = true
