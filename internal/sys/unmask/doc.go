// Package unmask makes a small executable file that empties the signal mask of its
// process and then executes another program. A child inherits the signal mask of the
// thread that forks. Between fork and exec, package syscall runs no code of its caller,
// so the mask must be emptied by a program.
package unmask
