//go:build !(msan || asan)

package sys

const sanitized = false
