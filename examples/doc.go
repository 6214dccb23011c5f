// Package examples holds programs that a user of the library would run, a folder
// each. They are Linux's, as the handles are.
package examples
