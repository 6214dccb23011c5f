// Package guide is the code of the guides in the repository's folder doc, in tests
// that compile it and run most of it. Every block of Go there stands here, or
// TestBlocks fails.
package guide
