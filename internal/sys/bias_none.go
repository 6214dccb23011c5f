//go:build darwin || freebsd || (linux && !(amd64 || arm64 || riscv64 || loong64))

package sys

// Without assembly there is no bias: see bias_linux.go.

type bias struct{}

// Registered reports whether calls can be biased.
func Registered() bool { return false }

func (d *Descriptor) promote() {}

func (d *Descriptor) evict() {}
