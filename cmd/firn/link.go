package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"firn/cmd/firn/flags"
	"firn/pipeline"
	"firn/stages/service/hosts"
	"firn/stages/service/hosts/jetstream"
	"firn/stages/service/hosts/jetstream/embedded"
	"firn/stages/service/report"
)

// brokerWait is for how long somebody waits for a server that is not reached at first.
const brokerWait = 10 * time.Second

// A queueError says that a queue can't be used.
type queueError struct{ err error }

func (e *queueError) Error() string { return e.err.Error() }
func (e *queueError) Unwrap() error { return e.err }

// A queue is how this process is joined with others.
type queue struct {
	*jetstream.Link
	server *embedded.Server // nil: it is another's
	flags  *flags.Queue
	token  string
	told   atomic.Pointer[report.Reporter]
	over   atomic.Bool // the run has ended, and soon its server may

	troubles jetstream.Troubles // of all connections
}

// openQueue connects to the queue that the flags name, and starts its server if that is in this process,
// with what it keeps below dir. It waits for one that is not reached for so long. Errors: *queueError,
// *secretError, ctx's cause.
func openQueue(ctx context.Context, q *flags.Queue, dir string, wait time.Duration, to report.Reporter) (_ *queue, err error) {
	opened := &queue{flags: q}
	opened.told.Store(&to)
	var isNew bool
	if opened.token, isNew, err = queueToken(q); err != nil {
		return nil, err
	}
	if q.Serve != "" {
		opened.server, err = embedded.Start(embedded.Options{
			Addr: q.Serve, Dir: filepath.Join(dir, "queue"), Token: bytesOf(opened.token), Cert: q.Cert, Key: q.Key,
			Log: opened.serverSays(),
		})
		if err != nil {
			return nil, &queueError{pipeline.Fatal(err)} // no other server is to be looked for
		}
	}
	if isNew { // only now: what keeps the server from its start leaves nothing behind
		if err = keepToken(q, opened.token); err != nil {
			return nil, errors.Join(err, opened.close())
		}
		opened.tell(report.Warning, fmt.Sprintf("made a token file, %s: copy it to the hosts of the workers", q.TokenFile))
	}
	if opened.Link, err = opened.connect(ctx, wait); err != nil {
		return nil, errors.Join(err, opened.close())
	}
	return opened, nil
}

// connect makes a connection more.
func (q *queue) connect(ctx context.Context, wait time.Duration) (*jetstream.Link, error) {
	var there atomic.Bool // else what is tried again is said by the error, unless that takes long
	o := jetstream.Options{
		URLs: q.flags.Servers, Name: q.flags.Name, Token: bytesOf(q.token), Creds: q.flags.Creds, CA: q.flags.CA, Client: "firn on " + thisWorker(),
		Troubles: &q.troubles,
		Notice: func(text string) {
			if there.Load() || wait > brokerWait {
				q.tell(report.Notice, text)
			}
		},
		Lost: func(err error) {
			if there.Load() && !q.over.Load() {
				q.event(report.Event{Kind: report.Warning, Text: "the connection to the queue is lost", Err: err})
			}
		},
		Again: func() { q.tell(report.Notice, "the connection to the queue is there again") },
	}
	if q.server != nil {
		o.InProcess = q.server
	}
	trying, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	link, err := jetstream.Connect(trying, o)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, &queueError{err}
	}
	there.Store(true)
	return link, nil
}

// mostOfServer is how many lines of the embedded server are passed on: whoever reaches its port can make
// it write one.
const mostOfServer = 20

// serverSays passes on what the embedded server says.
func (q *queue) serverSays() func(error) {
	var lines atomic.Int64
	return func(err error) {
		switch n := lines.Add(1); {
		case n <= mostOfServer:
			q.event(report.Event{Kind: report.Warning, Text: "the server of the queue", Err: err})
		case n == mostOfServer+1:
			q.tell(report.Warning, "the server of the queue says more, which is not shown")
		}
	}
}

func (q *queue) tell(kind report.Kind, text string) {
	q.event(report.Event{Kind: kind, Text: text})
}

func (q *queue) event(e report.Event) { (*q.told.Load()).Event(e) }

// close ends the connection, and then the server.
func (q *queue) close() (err error) {
	if q.Link != nil {
		err = q.Link.Close()
	}
	if q.server != nil {
		err = errors.Join(err, q.server.Close())
	}
	return err
}

func bytesOf(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// thisWorker is what others call this process.
func thisWorker() string {
	return fmt.Sprintf("%s:%d", hostname(), os.Getpid())
}

var _ hosts.Link = (*queue)(nil)
