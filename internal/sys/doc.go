// Package sys is the machine room of the iofd modules: the guarded descriptor
// number, the system calls made through it, the errors they give, and what the
// race detector has to be told of them.
//
// It is the only package of the library with assembly, and, but for the lines
// of memfd that map memory, the only one with unsafe. It is internal, yet not
// free to change: programs pin the versions of single handles, and get one
// version of this package for all of them, so once released it is only added
// to.
package sys
