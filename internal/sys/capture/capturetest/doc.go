// Package capturetest does for tests what takes unsafe: it sends signals with a
// value, saves and restores signal handlers, and forbids system calls.
package capturetest
