package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A program is packed with its libraries and their libraries, and with the dynamic
// linker at its path. The tree of this machine has the same layout as the fetched one.
func TestAddLibraries(t *testing.T) {
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		t.Skipf("needs the tree of Debian: %v", err)
	}
	files := make(map[string]string)
	require.NoError(t, addLibraries(files, "/", "/usr/bin/cp"))
	linkers := 0
	for name, file := range files {
		assert.FileExists(t, file)
		if regexp.MustCompile(`^lib\d*/ld`).MatchString(name) {
			linkers++
		}
	}
	assert.Contains(t, files, "lib/libc.so.6")
	assert.Contains(t, files, "lib/libpcre2-8.so.0", "which libselinux.so.1 needs, and cp(1) for it")
	assert.Positive(t, linkers)

	assert.Error(t, addLibraries(files, "/", "/etc/debian_version"), "no program")
	assert.Error(t, addLibraries(make(map[string]string), t.TempDir(), "/usr/bin/cp"), "no libraries there")
}
