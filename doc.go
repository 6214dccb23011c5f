// Package iofd is the whole library in one import: aliases of the types of its
// packages, and a constructor for each. It has no logic of its own.
//
// Programs that need a single handle, or that pin the version of each, import
// the handle's own package instead: this one requires them all.
//
// On Darwin and FreeBSD it has the core, [FD] and the interfaces, and none of
// the Linux handles. On other platforms it has the interfaces.
package iofd
