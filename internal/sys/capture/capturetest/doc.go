// Package capturetest does for tests what takes unsafe: it sends signals with a
// value, and saves and restores signal handlers.
package capturetest
