package signalfd

// HasC reports whether the test binary has C code in it.
func HasC() bool { return iscgo }
