// Package command starts an [os/exec.Cmd] with more in its SysProcAttr than its
// owner asked for.
package command
