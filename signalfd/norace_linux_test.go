//go:build !race

package signalfd_test

const raceDetector = false
