package fd

// KcmpFile is what SameFile falls back to.
var KcmpFile = kcmpFile
