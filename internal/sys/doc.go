// Package sys is the internal package of the iofd modules: the reference-counted
// descriptor, the system calls on it, their errors, and the annotations for the
// race detector.
//
// It is the only package of the library with assembly. Apart from the lines of
// memfd that map memory, it is the only one with unsafe. It is internal, but a
// program that pins the versions of single handles gets one version of this
// package for all of them. So once released, nothing here is removed or changed.
package sys
