// Package command starts an [os/exec.Cmd] with changes that its caller does not see.
package command
