// Package bare makes system calls with nothing around them: one assembly
// routine loads the registers and enters the kernel.
//
// Bench compares the library with these calls. Programs have no use for them:
// nothing protects the descriptor, and the scheduler is not told.
package bare
