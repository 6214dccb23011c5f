// Package examples holds programs that use the library, one directory each. They run on
// Linux only, as the handles do. Directory guide has the code of the guides in doc.
//
// Begin with the small programs, which have one file each: reload shows signalfd, alarm
// timerfd, watchpid pidfd, sealedconfig memfd, and wakeup eventfd.
package examples
