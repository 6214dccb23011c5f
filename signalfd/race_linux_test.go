//go:build race

package signalfd_test

// raceDetector: in race builds a read tells the detector of what it read, and
// allocates for that.
const raceDetector = true
