package fd

// KcmpFile is what SameFile falls back to.
var KcmpFile = kcmpFile

// ControlNumbers is the parser of Receive's control messages.
var ControlNumbers = controlNumbers
