package signalfd

import _ "unsafe" // for go:linkname

// iscgo reports whether the program has C code in it.
//
//go:linkname iscgo runtime.iscgo
var iscgo bool
