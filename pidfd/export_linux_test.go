package pidfd

// For tests of what this kernel does not do, and for the fuzz tests.
var (
	IsExact     = isExact
	IsOwnPeak   = isOwnPeak
	NewInfo     = newInfo
	OnPidfs     = onPidfs
	OwnPeak     = ownPeak
	ParseMemory = parseMemory
	ParsePIDs   = parsePIDs
	ParseTimes  = parseTimes
	ScopesKnown = scopesKnown
	SeenPeak    = &seenPeak
)
