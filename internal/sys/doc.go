// Package sys is the internal package of the iofd modules. It has the
// reference-counted descriptor, the system calls on it with their errors, and the
// annotations for the race detector.
//
// The package and the ones below it have all of the library's assembly. They also
// have its uses of unsafe, apart from the lines of memfd that map memory.
//
// A program may choose the versions of single handles, and gets one version of this
// package for all of them. So once released, nothing here is removed or changed.
package sys
