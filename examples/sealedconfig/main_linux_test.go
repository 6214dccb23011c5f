package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"code.hybscloud.com/iofd/examples/internal/exampletest"
	"code.hybscloud.com/iofd/internal/sys/systest"
	"code.hybscloud.com/iofd/memfd"
)

func TestMain(m *testing.M) { exampletest.Main(m, main) }

func TestUsage(t *testing.T) { exampletest.CheckUsage(t, nil) }

func TestFewDescriptors(t *testing.T) { exampletest.CheckFewDescriptors(t, 16, "size=3") }

func TestChildReadsTheConfiguration(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	status, stdout, stderr := systest.Result(t, exampletest.Command(t, "colour=green", "size=3"))
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, `The child has ["colour=green" "size=3"].`)
	assert.Regexp(t, "If it writes: .*operation not permitted\n$", stdout)
}

// The child trusts only what cannot be changed.
func TestChildRefusesAnUnsealedFile(t *testing.T) {
	unsealed, err := memfd.New("config", memfd.AllowSealing)
	require.NoError(t, err)
	defer unsealed.Close()
	file, err := unsealed.File("config")
	require.NoError(t, err)
	defer file.Close()
	cmd := exampletest.Command(t, "-child")
	cmd.ExtraFiles = []*os.File{file}
	status, stdout, stderr := systest.Result(t, cmd)
	assert.Equal(t, 1, status)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "the configuration can be changed")
}

func TestChildWithoutADescriptor(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	cmd := exampletest.Command(t, "-child")
	cmd.ExtraFiles = []*os.File{null}
	status, _, stderr := systest.Result(t, cmd)
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "memfd")
}

// The program fails if the child cannot write its output.
func TestFullDisk(t *testing.T) {
	systest.NotEmulated(t, exampletest.StartsItself)
	status, stderr := systest.ResultFull(t, exampletest.Command(t, "size=3"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no space left")
}
