package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"code.hybscloud.com/iofd/examples/internal/flags"
)

// request answers a request with one line.
func (c *client) request(line string) {
	line = strings.TrimSpace(line)
	if line == "" {
		return
	}
	name, args := line, ""
	if space := strings.IndexAny(line, " \t"); space >= 0 {
		name, args = line[:space], strings.TrimSpace(line[space:])
	}
	c.done.requests++
	answer, err := c.do(name, args)
	if err != nil {
		c.send("error %v", err)
	} else {
		c.send("%s", strings.TrimSpace("ok "+answer))
	}
}

func (c *client) do(name, args string) (answer string, err error) {
	switch name {
	case "run":
		return c.run(strings.Fields(args))
	case "sh":
		if args == "" {
			return "", errors.New("sh needs a script")
		}
		return c.run([]string{"/bin/sh", "-c", args})
	case "kill":
		return "", c.killJob(args)
	case "after":
		return "", c.sendAfter(args)
	case "ping", "stats", "quit":
		if args != "" {
			return "", fmt.Errorf("%s takes no arguments", name)
		}
	default:
		// Over TCP this may be a browser that was told to send commands as the body.
		c.quitting = c.network == "tcp"
		return "", fmt.Errorf("%.40q is none of run, sh, kill, after, stats, ping and quit", name)
	}
	if name == "stats" {
		return c.stats(), nil
	}
	c.quitting = name == "quit"
	return "", nil
}

func (c *client) run(command []string) (answer string, err error) {
	switch {
	case len(command) == 0:
		return "", errors.New("run needs a command")
	case c.running >= c.maxJobs:
		return "", fmt.Errorf("%d jobs run already", c.running)
	case c.descriptors()+startDescriptors > c.room:
		return "", errors.New("no descriptors are left for a job")
	}
	if err := c.mayWait(); err != nil {
		return "", err
	}
	c.lastJob++
	c.newJob(c.lastJob, command)
	return fmt.Sprintf("job %d", c.lastJob), nil
}

func (c *client) killJob(id string) error {
	n, err := strconv.Atoi(id)
	if err != nil {
		return fmt.Errorf("%.40q is not the number of a job", id)
	}
	j := c.jobs[n]
	switch {
	case j == nil:
		return fmt.Errorf("no job %d", n)
	case j.child == nil:
		return fmt.Errorf("job %d is being started", n)
	}
	return j.child.SendSignal(unix.SIGTERM)
}

func (c *client) sendAfter(args string) error {
	delay, text, _ := strings.Cut(args, " ")
	d, err := flags.Duration(delay)
	if err != nil {
		return fmt.Errorf("%.40q: %w", delay, err)
	}
	if err := c.mayWait(); err != nil {
		return err
	}
	var t *timer
	t = c.after(d, func() {
		delete(c.texts, t)
		c.send("after %s", text)
		c.proceed()
	})
	c.texts[t] = struct{}{}
	return nil
}

func (c *client) mayWait() error {
	if n := c.pending(); n >= maxPending {
		return fmt.Errorf("this client waits for %d jobs and texts already", n)
	}
	return nil
}
