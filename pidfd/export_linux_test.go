package pidfd

// For tests of what this kernel does not do, and for the fuzz tests.
var (
	NewInfo     = newInfo
	OnPidfs     = onPidfs
	ParsePIDs   = parsePIDs
	ScopesKnown = scopesKnown
)
