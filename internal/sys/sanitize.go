//go:build msan || asan

package sys

// Sanitized reports whether the program is built with -msan or -asan.
const Sanitized = true
