// Package examples holds programs that a user of the library would run, a folder
// each, and in guide the code of the guides in doc. They are Linux's, as the
// handles are.
package examples
