package main

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	mostBytes    = 16 << 10 // of a request
	mostCounters = 100_000
	longestWait  = time.Hour
)

// A request is one of HTTP.
type request struct {
	method  string
	name    string
	after   time.Duration
	last    bool // the client wants the connection closed
	size    int  // in bytes, those of the body included
	expects bool // the client sends the body after 100 Continue
}

// A refusal is the answer to a request that the server does not accept. Its end is not
// known, so the connection ends with it.
type refusal struct {
	status int
	reason string
}

func (r refusal) Error() string { return r.reason }

var (
	methods   = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	endOfHead = regexp.MustCompile(`\n\r?\n`)
	// aHost matches a name or an address, and a port.
	aHost = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$`)
)

// nextRequest returns the request that in begins with, or nil if its head is incomplete.
// The body may be incomplete. The errors are refusals.
func nextRequest(in []byte) (*request, error) {
	head := endOfHead.FindIndex(in)
	if head == nil {
		if len(in) > mostBytes {
			return nil, refusal{http.StatusRequestHeaderFieldsTooLarge, "the request is too long"}
		}
		return nil, nil
	}
	h, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
	// ReadRequest removes the fields on which the end of the request depends.
	_, lines, _ := bytes.Cut(in[:head[1]], []byte("\n"))
	fields, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(lines))).ReadMIMEHeader()
	coding, coded := fields["Transfer-Encoding"]
	switch {
	case coded && !strings.EqualFold(strings.Join(coding, ","), "chunked"):
		return nil, refusal{http.StatusNotImplemented, "the transfer coding is unknown"}
	case err != nil:
		return nil, refusal{http.StatusBadRequest, err.Error()}
	case h.ProtoMajor != 1:
		return nil, refusal{http.StatusHTTPVersionNotSupported, "the version is not HTTP/1"}
	}
	modern := h.ProtoAtLeast(1, 1)
	expect := h.Header.Get("Expect")
	switch {
	case modern && len(fields["Host"]) == 0:
		return nil, refusal{http.StatusBadRequest, "a request of HTTP/1.1 has a field Host"}
	case !aHost.MatchString(fields.Get("Host")):
		return nil, refusal{http.StatusBadRequest, "Host is not the name of a host"}
	case hasSpace(fields):
		return nil, refusal{http.StatusBadRequest, "the name of a field has a space"}
	case coded && (!modern || len(fields["Content-Length"]) > 0):
		return nil, refusal{http.StatusBadRequest, "Transfer-Encoding with Content-Length, or in HTTP/1.0"}
	case coded:
		return nil, refusal{http.StatusLengthRequired, "the length of the body is not given"}
	case h.ContentLength > mostBytes:
		return nil, refusal{http.StatusRequestEntityTooLarge, "the body is too long"}
	case modern && expect != "" && !strings.EqualFold(expect, "100-continue"):
		return nil, refusal{http.StatusExpectationFailed, "Expect is not 100-continue"}
	case !slices.Contains(methods, h.Method):
		return nil, refusal{http.StatusMethodNotAllowed, "the method is none of " + strings.Join(methods, ", ")}
	}
	r := &request{
		method:  h.Method,
		name:    strings.TrimPrefix(h.URL.Path, "/"),
		last:    h.Close || !modern,
		size:    head[1] + int(h.ContentLength),
		expects: modern && expect != "",
	}
	if text := h.URL.Query().Get("after"); text != "" {
		if r.after, err = time.ParseDuration(text); err != nil || r.after < 0 || r.after > longestWait {
			return nil, refusal{http.StatusBadRequest, "after is not a duration up to an hour"}
		}
	}
	return r, nil
}

// hasSpace reports whether the name of a field has a space. Package textproto accepts it, and
// does not know the field then.
func hasSpace(fields textproto.MIMEHeader) bool {
	for name := range fields {
		if strings.Contains(name, " ") {
			return true
		}
	}
	return false
}

// aName matches names that JSON does not change.
var aName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// count does the request.
func (s *server) count(r *request) (status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, known := s.counters[r.name]
	switch {
	case r.method != http.MethodPost && r.name == "":
		return http.StatusOK, s.list()
	case !aName.MatchString(r.name):
		return http.StatusNotFound, "no such counter\n"
	case r.method != http.MethodPost:
	case !known && len(s.counters) >= mostCounters:
		return http.StatusInsufficientStorage, "too many counters\n"
	default:
		value++
		s.counters[r.name] = value
	}
	return http.StatusOK, fmt.Sprintln(value)
}

func (s *server) list() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.counters)) {
		fmt.Fprintf(&b, "%s %d\n", name, s.counters[name])
	}
	return b.String()
}

// answer has an answer sent. An answer to HEAD has the fields of one to GET, and no body.
func (c *conn) answer(status int, body string, toHead bool) {
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nProcess: %d\r\n",
		status, http.StatusText(status), time.Now().UTC().Format(http.TimeFormat), len(body), os.Getpid())
	if status == http.StatusMethodNotAllowed {
		b = fmt.Appendf(b, "Allow: %s\r\n", strings.Join(methods, ", "))
	}
	if c.Closing {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	if !toHead {
		b = append(b, body...)
	}
	c.Out = b
}
