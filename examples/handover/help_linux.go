package main

const help = `usage: handover [flags]

Counts for HTTP clients, and restarts without closing a connection. A restart loses
no request and does none twice. Clients notice a short pause.

  -listen ADDR    the address for clients (127.0.0.1:8080). It is 127.0.0.1:PORT,
                  [::1]:PORT or the path of a Unix socket with a slash in it.
                      handover -listen /tmp/counters

  -control PATH   the socket at which other processes of this user ask for a
                  handover ($XDG_RUNTIME_DIR/handover.sock). The default without
                  XDG_RUNTIME_DIR is /tmp/handover-UID.sock.
                      handover -control /run/counters/control

  -take           take over from the server at -control. Its address is used, and
                  -listen is ignored.
                      handover -take

  -by WAY         with -take, the way of the descriptors (rights). The old process
                  sends them with rights (SCM_RIGHTS). With pidfd, the new process
                  takes them (pidfd_getfd). This needs the right to ptrace the old
                  process, which Yama may deny.
                      handover -take -by pidfd

  -timeout D      the time limit of a handover, and of the open requests after TERM
                  (10s).
                      handover -timeout 2s

  -idle D         close a connection if the client takes D for one request, sends
                  no request for D, or receives nothing of an answer for D (1m).
                  0 is never.
                      handover -idle 30s

  -h              print this

To restart, send HUP. The server starts its program file again, which may be a newer
one, with the same flags and -take. HUP works without the file of -control, and the
new process makes that file again. To change flags, start handover -take yourself.
If the new process fails or is late, the old one goes on and reports the reason. It
kills the new process if that still runs.

The old process ends after a handover. A supervisor must know that the service goes
on. For systemd, use Type=notify: HUP and -take both tell it the new main process. A
container ends with its process 1, so a server that is process 1 refuses HUP and -take
and goes on. A process 1 such as tini, docker --init or a shell script ends with its
first child. There, use a process 1 that stays.

  POST /NAME      add 1 to the counter NAME; the answer is its value

  GET /NAME       its value

  GET /           all counters

  ?after=D        with any of these: do it after the time D, of at most an hour

A NAME has up to 100 letters, digits, dots, dashes and underscores. Each answer has
a header Process with the ID of the answering process. A request may have a body of
up to 16 KiB, which is ignored.

  $ handover & sleep 1
  process 41 serves 127.0.0.1:8080
  $ curl -d '' http://127.0.0.1:8080/apples
  1

  $ kill -HUP 41; sleep 1
  process 47 serves 127.0.0.1:8080 after process 41: 1 counter, 0 connections, a pause of 3ms
  $ curl -d '' http://127.0.0.1:8080/apples
  2

A handover passes the listening socket with its queue, the connections and the
counters. A connection may be in the middle of a request or of an answer. A sealed
memfd holds the counters, so they cannot change after the new process has checked
them. An eventfd tells the old process that the new one is ready. The pidfd of the
old process tells the new one when to begin. The two never serve at the same time.

limits: a connection needs one descriptor, and the server 16. At RLIMIT_NOFILE 64 it
serves 48 connections, and at 1024 it serves 1008. Further clients wait in the queue
of the listening socket until a connection ends. The server closes no connection to
get a descriptor. A new process whose limit is too low does not take over. Descriptors
that the server inherits, beside standard input, output and error, count too, and may
make a handover fail. One handover is done at a time. A second one waits.

A line that standard output or error does not take is lost, and the server goes on.
The file of a Unix socket is replaced if no process listens at it.

signals: HUP restarts. TERM and INT end the server when the requests that have come
are answered, or after -timeout.

exit status: 0 after TERM or INT, or when another process has taken over; 1 when the
server failed or could not take over; 2 when a flag was wrong.
`
