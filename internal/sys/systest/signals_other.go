//go:build !linux

package systest

func resetSignals() {}
